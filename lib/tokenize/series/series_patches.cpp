#include "tokenize/series/series_patches.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

using Ends = SeriesPatching::Ends;

constexpr std::size_t kMostSteps = std::size_t{1} << 20;
constexpr std::array<std::pair<std::string_view, Ends>, 3> kEnds = {
    {{"cut", Ends::cut}, {"circular", Ends::circular}, {"repeat", Ends::repeat}}};

// Steps that are put in front of the series.
std::size_t front(const SeriesPatching& patching) { return patching.ends == Ends::circular ? patching.kernel / 2 : 0; }

// Which step of the series stands at each place of the lengthened one.
std::vector<std::size_t> places_of(const SeriesPatching& patching, std::size_t steps) {
  std::vector<std::size_t> places(
      patching.patches(steps) == 0 ? 0 : (patching.patches(steps) - 1) * patching.stride + patching.kernel);
  for (std::size_t i = 0; i < places.size(); ++i) {
    switch (patching.ends) {
      case Ends::circular:
        places[i] = (i + steps - front(patching) % steps) % steps;
        break;
      case Ends::repeat:
      case Ends::cut:
        places[i] = std::min(i, steps - 1);
        break;
    }
  }
  return places;
}

}  // namespace

std::size_t SeriesPatching::patches(std::size_t steps) const {
  if (steps == 0) return 0;
  const std::size_t more = ends == Ends::circular ? 2 * (kernel / 2) : ends == Ends::repeat ? stride : 0;
  return steps + more < kernel ? 0 : (steps + more - kernel) / stride + 1;
}

SeriesPatching series_patching_named(std::string_view preset) {
  if (preset == "step") return {3, 1, Ends::circular, false};
  if (preset == "patch") return {16, 8, Ends::repeat, true};
  if (preset == "block") return {8, 8, Ends::cut, false};
  if (preset == "conv") return {10, 1, Ends::cut, false};
  throw UsageError("--embedding", fmt::format("\"{}\" is not step, patch, block or conv", printable(preset)));
}

nlohmann::json to_json(const SeriesPatching& patching) {
  std::string_view ends;
  for (const auto& [name, kind] : kEnds) {
    if (kind == patching.ends) ends = name;
  }
  return {{"kernel", patching.kernel}, {"stride", patching.stride}, {"ends", ends}, {"separate", patching.separate}};
}

SeriesPatching series_patching_of(const nlohmann::json& config, std::string_view where) {
  try {
    SeriesPatching patching{config.at("kernel").get<std::size_t>(), config.at("stride").get<std::size_t>(), Ends::cut,
                            config.at("separate").get<bool>()};
    const std::string ends = config.at("ends").get<std::string>();
    const auto known = std::find_if(kEnds.begin(), kEnds.end(), [&](const auto& entry) { return entry.first == ends; });
    const auto size = [](std::size_t n) { return n >= 1 && n <= kMostSteps; };
    if (known != kEnds.end() && size(patching.kernel) && size(patching.stride)) {
      patching.ends = known->second;
      return patching;
    }
  } catch (const nlohmann::json::exception&) {  // told below
  }
  throw Error(where, fmt::format("its patches are {}", config.dump()), "check the model with mt-inspect");
}

void cut_series(const Tensor& series, const SeriesPatching& patching, float* out, std::size_t row_width) {
  const std::size_t steps = series.rows(), channels = series.columns(), patches = patching.patches(steps);
  const float* const values = series.as<float>().data();
  const std::vector<std::size_t> places = places_of(patching, steps);
  const std::size_t groups = patching.separate ? channels : 1, together = patching.separate ? 1 : channels;
  for (std::size_t group = 0; group < groups; ++group) {
    for (std::size_t n = 0; n < patches; ++n, out += row_width) {
      const std::size_t* const place = &places[n * patching.stride];
      float* to = out;
      for (std::size_t c = 0; c < together; ++c) {
        for (std::size_t k = 0; k < patching.kernel; ++k) *to++ = values[place[k] * channels + group + c];
      }
    }
  }
}

double middle_step(const SeriesPatching& patching, std::size_t patch) {
  return static_cast<double>(patch * patching.stride) + (static_cast<double>(patching.kernel) - 1) / 2 -
         static_cast<double>(front(patching));
}

}  // namespace mt
