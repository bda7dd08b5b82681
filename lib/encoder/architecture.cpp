#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "encoder/encoder.h"

namespace mt {

namespace {

// Far beyond any published encoder: what a file declares is compared with these before anything is multiplied.
constexpr std::size_t kMaxBlocks = 4096, kMaxWidth = 1 << 16, kMaxMlp = 1 << 18;

std::size_t whole_number(const nlohmann::json& config, const char* key, std::size_t most) {
  const auto value = config.find(key);
  if (value == config.end() || !value->is_number_integer()) {
    throw Error("encoder", fmt::format("its configuration has no whole number \"{}\"", key));
  }
  const auto number = value->get<std::int64_t>();
  if (number < 1 || static_cast<std::uint64_t>(number) > most) {
    throw Error("encoder", fmt::format("\"{}\" is {}, expected 1 to {}", key, number, most));
  }
  return static_cast<std::size_t>(number);
}

double positive(const nlohmann::json& config, const char* key) {
  const auto value = config.find(key);
  if (value == config.end() || !value->is_number()) {
    throw Error("encoder", fmt::format("its configuration has no number \"{}\"", key));
  }
  const double number = value->get<double>();
  if (!(number > 0) || !std::isfinite(number)) {
    throw Error("encoder", fmt::format("\"{}\" is {}, expected a positive number", key, number));
  }
  return number;
}

std::string word(const nlohmann::json& config, const char* key, const char* otherwise) {
  const auto value = config.find(key);
  if (value == config.end()) return otherwise;
  if (!value->is_string()) throw Error("encoder", fmt::format("\"{}\" is not a word", key));
  return value->get<std::string>();
}

void require_shape(const Part& part, const std::string& name, const Shape& shape) {
  const Tensor& tensor = part.at(name);
  if (tensor.shape() == shape) return;
  throw Error("encoder", fmt::format("{} is {}, its configuration asks for {}", printable(name),
                                     to_string(tensor.shape()), to_string(shape)));
}

}  // namespace

Architecture architecture_of(const Part& encoder) {
  const nlohmann::json& config = encoder.config;
  Architecture a;
  a.blocks = whole_number(config, "blocks", kMaxBlocks);
  a.width = whole_number(config, "width", kMaxWidth);
  a.heads = whole_number(config, "heads", kMaxWidth);
  a.mlp = whole_number(config, "mlp", kMaxMlp);
  a.eps = positive(config, "eps");
  if (a.width % a.heads != 0) {
    throw Error("encoder", fmt::format("width {} is not a multiple of {} heads", a.width, a.heads), "--heads N");
  }
  const double usual_scale = 1 / std::sqrt(static_cast<double>(a.width / a.heads));
  a.scale = config.contains("scale") ? positive(config, "scale") : usual_scale;

  const std::string activation = word(config, "activation", "gelu");
  if (activation == "quick_gelu")
    a.activation = Architecture::Activation::quick_gelu;
  else if (activation != "gelu")
    throw Error("encoder", fmt::format("unknown activation \"{}\"", printable(activation)));
  const std::string norm = word(config, "norm", "none");
  if (norm == "before_pooling")
    a.norm = Architecture::Norm::before_pooling;
  else if (norm == "after_pooling")
    a.norm = Architecture::Norm::after_pooling;
  else if (norm != "none")
    throw Error("encoder", fmt::format("unknown norm \"{}\"", printable(norm)));

  const std::size_t d = a.width, m = a.mlp;
  for (std::size_t i = 0; i < a.blocks; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    for (const char* name :
         {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.proj.bias", "mlp.fc2.bias"}) {
      require_shape(encoder, block + name, {d});
    }
    require_shape(encoder, block + "attn.qkv.weight", {3 * d, d});
    require_shape(encoder, block + "attn.qkv.bias", {3 * d});
    require_shape(encoder, block + "attn.proj.weight", {d, d});
    require_shape(encoder, block + "mlp.fc1.weight", {m, d});
    require_shape(encoder, block + "mlp.fc1.bias", {m});
    require_shape(encoder, block + "mlp.fc2.weight", {d, m});
  }
  if (a.norm != Architecture::Norm::none) {
    require_shape(encoder, "norm.weight", {d});
    require_shape(encoder, "norm.bias", {d});
  }
  if (encoder.has("projection")) {
    const Shape& shape = encoder.at("projection").shape();
    a.projection = shape.size() == 2 ? shape[1] : 0;
    require_shape(encoder, "projection", {d, a.projection});
    if (a.projection == 0 || a.projection > kMaxWidth) throw Error("encoder", "projection has an impossible width");
  }
  return a;
}

namespace {

constexpr std::pair<std::string_view, Pooling> kPoolings[] = {{"cls", Pooling::cls},
                                                              {"mean", Pooling::mean},
                                                              {"max", Pooling::max},
                                                              {"tokens", Pooling::tokens},
                                                              {"eot", Pooling::eot}};

}  // namespace

Precision precision_named(std::string_view name) {
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::int8, Precision::f16}) {
    if (name_of(precision) == name) return precision;
  }
  throw Error("precision", fmt::format("\"{}\" is not known", printable(name)), "f32, bf16, f16 or int8");
}

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return "f32";
    case Precision::bf16:
      return "bf16";
    case Precision::int8:
      return "int8";
    case Precision::f16:
      return "f16";
  }
  return "unknown";
}

Pooling pooling_named(std::string_view name) {
  for (const auto& [word, pooling] : kPoolings) {
    if (word == name) return pooling;
  }
  throw Error("pooling", fmt::format("\"{}\" is not known", printable(name)), "cls, mean, max, tokens or eot");
}

std::string_view name_of(Pooling pooling) {
  for (const auto& [word, value] : kPoolings) {
    if (value == pooling) return word;
  }
  return "unknown";
}

}  // namespace mt
