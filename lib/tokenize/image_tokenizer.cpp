#include "tokenize/image_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/random.h"
#include "tokenize/positions.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "image tokenizer";
constexpr std::size_t kRowsAtOnce = 192;  // products of this many patches stay in cache until they are added up

Error unfit(const std::string& name, const Tensor& tensor, const std::string& expected) {
  return {kWhere, fmt::format("{} has the shape {}, expected {}", name, to_string(tensor.shape()), expected),
          "check the model with mt-inspect"};
}

void require_shape(const Part& part, const std::string& name, const Shape& shape) {
  if (part.at(name).shape() != shape) throw unfit(name, part.at(name), to_string(shape));
}

std::vector<float> numbers(const nlohmann::json& config, const char* name, std::size_t count) {
  const auto& list = config.at(name);
  if (!list.is_array() || list.size() != count ||
      !std::ranges::all_of(list, [](const auto& number) { return number.is_number(); })) {
    throw Error(kWhere, fmt::format("its {} is {}, expected {} numbers", name, list.dump(), count));
  }
  return list.get<std::vector<float>>();
}

std::optional<Normalization> normalization_in(const nlohmann::json& config, std::size_t channels) {
  if (!config.contains("mean") || !config.contains("std")) return std::nullopt;
  Normalization normalization{numbers(config, "mean", channels), numbers(config, "std", channels)};
  for (const float deviation : normalization.std) {
    if (!(deviation > 0)) throw Error(kWhere, fmt::format("its std holds {}, expected positive numbers", deviation));
  }
  return normalization;
}

// The size of the pictures that `patches` positions belong to; 0: there are none, any size will do.
Size size_in(const nlohmann::json& config, std::size_t patches, std::size_t side) {
  if (!config.contains("image_size")) {
    const auto grid = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(patches))));
    if (grid * grid == patches) return {grid * side, grid * side};
    throw Error(kWhere, fmt::format("{} positions are not those of a square, and it states no image_size", patches));
  }
  const nlohmann::json& pair = config["image_size"];
  const auto valid = [](const nlohmann::json& number) {
    return number.is_number_integer() && number.get<std::int64_t>() > 0 && number.get<std::int64_t>() < (1 << 24);
  };
  if (pair.is_array() && pair.size() == 2 && valid(pair[0]) && valid(pair[1])) {
    const Size size{pair[0].get<std::size_t>(), pair[1].get<std::size_t>()};
    if (patches == 0 || size.height / side * (size.width / side) == patches) return size;
  }
  throw Error(kWhere, fmt::format("its image_size is {}, its positions are those of {} patches of side {}", pair.dump(),
                                  patches, side));
}

// A member of the configuration as T, the fallback where it has none.
template <class T>
T setting(const nlohmann::json& config, const char* name, T fallback) {
  try {
    return config.value(name, std::move(fallback));
  } catch (const nlohmann::json::exception&) {
    throw Error(kWhere, fmt::format("its {} is {}", name, config[name].dump()), "check the model with mt-inspect");
  }
}

void require_finite(const std::string& name, const Tensor& tensor) {
  for (const float value : tensor.as<float>()) {
    if (!std::isfinite(value)) throw Error(kWhere, name + " holds NaN or infinite values", "use another checkpoint");
  }
}

Tensor floats(const Part& part, const std::string& name) {
  const Tensor tensor = part.at(name).to(DType::f32);
  require_finite(name, tensor);
  // A copy of its own: the part may borrow from a mapped model file, and some callers change what they get.
  return tensor.rows_copy(0, tensor.rows());
}

// The one-channel kernel and bias that do the same as replicating the channel.
void sum_channels(Tensor& weight, std::vector<float>& bias, const Normalization& normalization) {
  const std::size_t width = weight.shape()[0], channels = weight.shape()[1], side = weight.shape()[2];
  const std::size_t area = side * side;
  Tensor summed(DType::f32, {width, 1, side, side});
  for (std::size_t unit = 0; unit < width; ++unit) {
    const auto in = std::as_const(weight).row<float>(unit);
    double constant = bias[unit];
    for (std::size_t i = 0; i < area; ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < channels; ++c) {
        const double scaled = in[c * area + i] / static_cast<double>(normalization.std[c]);
        sum += scaled;
        constant -= scaled * normalization.mean[c];
      }
      summed.row<float>(unit)[i] = static_cast<float>(sum);
    }
    bias[unit] = static_cast<float>(constant);
  }
  weight = std::move(summed);
}

}  // namespace

ImageModel image_model_of(const Part& part) {
  const Tensor& weight = part.at("patch.weight");
  const Shape& shape = weight.shape();
  if (shape.size() != 4 || shape[2] != shape[3] || weight.empty())
    throw unfit("patch.weight", weight, "[width, channels, side, side]");
  ImageModel model;
  model.width = shape[0];
  model.channels = shape[1];
  model.patch = shape[2];
  if (part.has("patch.bias")) require_shape(part, "patch.bias", {model.width});
  model.cls = part.has("cls");
  if (model.cls) require_shape(part, "cls", {model.width});
  model.positions = part.has("positions");
  std::size_t patches = 0;
  if (model.positions) {
    const Tensor& positions = part.at("positions");
    const std::size_t prefix = model.cls ? 1 : 0;
    if (positions.shape().size() != 2 || positions.shape()[1] != model.width || positions.rows() <= prefix) {
      throw unfit("positions", positions, fmt::format("[patches{}, {}]", model.cls ? " + 1" : "", model.width));
    }
    patches = positions.rows() - prefix;
  }
  if (part.has("pre_norm.weight")) {
    require_shape(part, "pre_norm.weight", {model.width});
    require_shape(part, "pre_norm.bias", {model.width});
  }
  if (model.positions || part.config.contains("image_size")) model.size = size_in(part.config, patches, model.patch);
  model.normalization = normalization_in(part.config, model.channels);
  return model;
}

bool is_picture(std::string_view modality) {
  return modality == "image" || modality == "infrared" || modality == "xray";
}

Part initial_image_tokenizer(std::size_t width, std::size_t patch, const Normalization& normalization, Size size,
                             std::uint64_t seed) {
  const std::size_t channels = normalization.channels(), inputs = channels * patch * patch;
  Part part;
  Tensor weight(DType::f32, {width, channels, patch, patch});
  Random(seed, stream_of("image tokenizer: patch.weight"))
      .fill_normal(weight.as<float>(), 0, static_cast<float>(1 / std::sqrt(static_cast<double>(inputs))));
  Tensor cls(DType::f32, {width});
  Random(seed, stream_of("image tokenizer: cls")).fill_normal(cls.as<float>(), 0, 0.02F);
  const Size grid{size.height / patch, size.width / patch};
  const Tensor places = sincos_positions(grid, width);
  Tensor positions(DType::f32, {places.rows() + 1, width});
  std::ranges::copy(places.as<float>(), positions.as<float>().begin() + static_cast<std::ptrdiff_t>(width));
  part.tensors = {
      {"patch.weight", weight}, {"patch.bias", Tensor(DType::f32, {width})}, {"cls", cls}, {"positions", positions}};
  part.config = {{"modality", "image"},
                 {"width", width},
                 {"patch", patch},
                 {"channels", channels},
                 {"mean", normalization.mean},
                 {"std", normalization.std},
                 {"position_resize", "antialias"},
                 {"image_size", {size.height, size.width}},
                 {"family", "initial"},
                 {"seed", seed}};
  return part;
}

ImageTokenizer::ImageTokenizer(const Part& part, Size size, const Normalization& normalization, bool summed)
    : model_(image_model_of(part)), normalization_(normalization) {
  if (normalization.channels() != model_.channels || size.height % model_.patch != 0 ||
      size.width % model_.patch != 0 || size.height == 0 || size.width == 0) {
    throw std::logic_error("ImageTokenizer: channels or size do not fit the model");
  }
  grid_ = {size.height / model_.patch, size.width / model_.patch};
  Tensor weight = floats(part, "patch.weight");
  std::vector<float> bias(model_.width, 0.0F);
  if (part.has("patch.bias")) std::ranges::copy(floats(part, "patch.bias").as<float>(), bias.begin());
  if (summed) {
    sum_channels(weight, bias, normalization);
    normalization_ = {{0.0F}, {1.0F}};
  }
  projection_ =
      std::make_unique<Linear>(weight.as<float>(), bias, weight.columns(), model_.width, Finish::bias, kernels());

  if (model_.cls) first_ = floats(part, "cls");
  positions_ = Tensor(DType::f32, {patches(), model_.width});
  if (model_.positions) {
    const auto kind = position_resize_named(setting<std::string>(part.config, "position_resize", "antialias"));
    const Size from{model_.size.height / model_.patch, model_.size.width / model_.patch};
    const Tensor all = resized_positions(floats(part, "positions"), prefix(), from, grid_, kind);
    positions_ = all.rows_copy(prefix(), all.rows());
    for (std::size_t i = 0; i < prefix() * model_.width; ++i) first_.as<float>()[i] += all.as<float>()[i];
  }
  if (part.has("pre_norm.weight")) {
    const Tensor gain = floats(part, "pre_norm.weight"), shift = floats(part, "pre_norm.bias");
    pre_norm_ = LayerNorm{{gain.as<float>().begin(), gain.as<float>().end()},
                          {shift.as<float>().begin(), shift.as<float>().end()},
                          setting(part.config, "eps", 1e-5F)};
  }
}

Tensor ImageTokenizer::embed(const Tensor& patches) const {
  const std::size_t per_picture = this->patches(), pictures = patches.rows() / per_picture, width = model_.width;
  if (patches.columns() != projection_->inputs() || patches.rows() != pictures * per_picture) {
    throw std::logic_error("ImageTokenizer: patches of another shape");
  }
  Tensor result(DType::f32, {pictures * tokens(), width});
  const Rows<float> out(result.as<float>().data(), result.rows(), width);
  const Rows<const float> in(patches.as<float>().data(), patches.rows(), patches.columns());
  const float* const positions = positions_.as<float>().data();
  std::vector<float> products(kRowsAtOnce * width);
  for (std::size_t begin = 0; begin < in.count; begin += kRowsAtOnce) {
    const std::size_t end = std::min(begin + kRowsAtOnce, in.count);
    projection_->forward(in.rows(begin, end), Rows<float>(products.data(), end - begin, width));
    for (std::size_t row = begin; row < end; ++row) {
      const std::size_t place = row % per_picture;
      float* const token = out.row(row / per_picture * tokens() + prefix() + place);
      const float *const product = products.data() + (row - begin) * width, *const position = positions + place * width;
      for (std::size_t i = 0; i < width; ++i) token[i] = product[i] + position[i];
    }
  }
  if (model_.cls) {
    for (std::size_t picture = 0; picture < pictures; ++picture) {
      std::ranges::copy(first_.as<float>(), out.row(picture * tokens()));
    }
  }
  if (pre_norm_) pre_norm_->forward(kernels(), out, out);
  return result;
}

}  // namespace mt
