#include "tokenize/positions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

// Four neighbours of an output position and their weights; those beyond the border are the border's.
struct CubicTaps {
  std::array<std::size_t, 4> at;
  std::array<float, 4> weight;
};

CubicTaps cubic_taps(std::size_t from, std::size_t to, std::size_t position) {
  constexpr double a = -0.75;
  const double center =
      (static_cast<double>(position) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
  const double floor = std::floor(center);
  CubicTaps taps{};
  for (int i = 0; i < 4; ++i) {
    const double x = std::abs(center - (floor + i - 1));
    const double weight = x <= 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    taps.weight[static_cast<std::size_t>(i)] = static_cast<float>(weight);
    taps.at[static_cast<std::size_t>(i)] =
        static_cast<std::size_t>(std::clamp(floor + i - 1, 0.0, static_cast<double>(from - 1)));
  }
  return taps;
}

// grid: [height, width, channels] f32.
Tensor plain_resized(const Tensor& grid, Size to) {
  const Size from{grid.shape()[0], grid.shape()[1]};
  const std::size_t channels = grid.shape()[2];
  Tensor result(DType::f32, {to.height, to.width, channels});
  const float* in = grid.as<float>().data();
  float* out = result.as<float>().data();
  for (std::size_t y = 0; y < to.height; ++y) {
    const CubicTaps rows = cubic_taps(from.height, to.height, y);
    for (std::size_t x = 0; x < to.width; ++x, out += channels) {
      const CubicTaps columns = cubic_taps(from.width, to.width, x);
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t j = 0; j < 4; ++j) {
          const float weight = rows.weight[i] * columns.weight[j];
          const float* value = in + (rows.at[i] * from.width + columns.at[j]) * channels;
          for (std::size_t c = 0; c < channels; ++c) out[c] += weight * value[c];
        }
      }
    }
  }
  return result;
}

}  // namespace

std::string_view name_of(PositionResize kind) {
  switch (kind) {
    case PositionResize::antialias:
      return "antialias";
    case PositionResize::plain:
      return "plain";
  }
  throw std::logic_error("no name for this way to resize positions");
}

PositionResize position_resize_named(std::string_view name) {
  for (const PositionResize kind : {PositionResize::antialias, PositionResize::plain}) {
    if (name == name_of(kind)) return kind;
  }
  throw Error("position_resize", fmt::format("\"{}\" is neither antialias nor plain", name));
}

Tensor resized_positions(const Tensor& positions, std::size_t prefix, Size from, Size to, PositionResize kind) {
  const std::size_t width = positions.columns();
  if (positions.rows() != prefix + from.height * from.width) {
    throw std::logic_error("resized_positions: rows do not fit the grid");
  }
  if (from == to) return positions;
  const Tensor grid = positions.rows_copy(prefix, positions.rows()).reshaped({from.height, from.width, width});
  const Tensor resized = kind == PositionResize::plain ? plain_resized(grid, to) : resize(grid, to, Filter::bicubic);
  Tensor result(DType::f32, {prefix + to.height * to.width, width});
  const auto out = result.as<float>();
  std::copy_n(positions.as<float>().begin(), prefix * width, out.begin());
  std::copy_n(resized.as<float>().begin(), resized.size(), out.begin() + static_cast<std::ptrdiff_t>(prefix * width));
  return result;
}

Tensor sincos_positions(Size grid, std::size_t width) {
  const std::size_t quarter = width / 4;
  Tensor positions(DType::f32, {grid.height * grid.width, width});
  for (std::size_t y = 0; y < grid.height; ++y) {
    for (std::size_t x = 0; x < grid.width; ++x) {
      const auto row = positions.row<float>(y * grid.width + x);
      for (std::size_t i = 0; i < quarter; ++i) {
        const double frequency = std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(quarter));
        const double down = static_cast<double>(y) * frequency, across = static_cast<double>(x) * frequency;
        row[i] = static_cast<float>(std::sin(down));
        row[quarter + i] = static_cast<float>(std::cos(down));
        row[2 * quarter + i] = static_cast<float>(std::sin(across));
        row[3 * quarter + i] = static_cast<float>(std::cos(across));
      }
    }
  }
  return positions;
}

void sincos_position(std::size_t position, std::span<float> out) {
  const auto width = static_cast<double>(out.size());
  for (std::size_t j = 0; j < out.size(); ++j) {
    const double angle = static_cast<double>(position) / std::pow(10000.0, static_cast<double>(j / 2 * 2) / width);
    out[j] = static_cast<float>(j % 2 == 0 ? std::sin(angle) : std::cos(angle));
  }
}

}  // namespace mt
