#include "encoder/checkpoint_config.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"

namespace mt {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kMaxConfig = 1 << 20;  // real ones have a few kilobytes

// The member of that name, or null when there is none or value is no object.
const json& member(const json& value, const char* name) {
  static const json null;
  if (!value.is_object()) return null;
  const auto found = value.find(name);
  return found == value.end() ? null : *found;
}

// What a file says in a form that cannot be meant is as good as not said.
std::optional<std::size_t> count_in(const json& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() == 0 || value.get<std::uint64_t>() > 1'000'000)
    return std::nullopt;
  return value.get<std::size_t>();
}

std::optional<double> eps_in(const json& value) {
  if (!value.is_number() || value.get<double>() <= 0 || value.get<double>() >= 1) return std::nullopt;
  return value.get<double>();
}

std::optional<std::string> text_in(const json& value) {
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

std::vector<double> numbers_in(const json& value) {
  std::vector<double> numbers;
  if (!value.is_array() || value.size() > 64) return numbers;
  for (const json& number : value) {
    if (!number.is_number()) return {};
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

// 224, [224, 160] or timm's [3, 224, 160].
std::optional<std::array<std::size_t, 2>> size_in(const json& value) {
  if (const auto side = count_in(value)) return {{*side, *side}};
  if (!value.is_array() || (value.size() != 2 && value.size() != 3)) return std::nullopt;
  const auto height = count_in(value[value.size() - 2]), width = count_in(value[value.size() - 1]);
  if (!height || !width) return std::nullopt;
  return {{*height, *width}};
}

std::optional<json> read_beside(const fs::path& checkpoint, const char* name, CheckpointConfig& config,
                                Progress& progress) {
  const fs::path path = checkpoint.parent_path() / name;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  try {
    json value = parse_json(read_text_file(path, kMaxConfig), path.string());
    config.files.emplace_back(name);
    return value;
  } catch (const Error& error) {
    progress.warn(fmt::format("{}; it is left out", error.what()));
    return std::nullopt;
  }
}

void read_hugging_face(const json& root, CheckpointConfig& config) {
  const json& vision = member(root, "vision_config").is_object() ? member(root, "vision_config") : root;
  config.width = count_in(member(vision, "hidden_size"));
  config.heads = count_in(member(vision, "num_attention_heads"));
  config.eps = eps_in(member(vision, "layer_norm_eps"));
  config.activation = text_in(member(vision, "hidden_act"));
  config.image_size = size_in(member(vision, "image_size"));
  config.text_heads = count_in(member(member(root, "text_config"), "num_attention_heads"));
}

void read_timm(const json& root, CheckpointConfig& config) {
  const json& pretrained = member(root, "pretrained_cfg");
  config.width = count_in(member(root, "num_features"));
  config.heads = count_in(member(member(root, "model_args"), "num_heads"));
  config.mean = numbers_in(member(pretrained, "mean"));
  config.std = numbers_in(member(pretrained, "std"));
  config.image_size = size_in(member(pretrained, "input_size"));
  if (const auto name = text_in(member(root, "architecture")); name && name->find("quickgelu") != std::string::npos) {
    config.activation = "quick_gelu";
  }
  const auto pool = text_in(member(root, "global_pool"));
  if (pool) config.pooling = *pool == "avg" ? "mean" : "cls";
}

void read_open_clip(const json& root, CheckpointConfig& config) {
  const json& model = member(root, "model_cfg");
  const json& vision = member(model, "vision_cfg");
  const json& preprocess = member(root, "preprocess_cfg");
  config.width = count_in(member(vision, "width"));
  const std::size_t head_width = count_in(member(vision, "head_width")).value_or(64);  // open_clip's default
  if (config.width && *config.width % head_width == 0) config.heads = *config.width / head_width;
  config.image_size = size_in(member(vision, "image_size"));
  config.activation = member(model, "quick_gelu") == json(true) ? "quick_gelu" : "gelu";
  if (const auto pool = text_in(member(vision, "pool_type"))) config.pooling = *pool == "avg" ? "mean" : "cls";
  config.text_heads = count_in(member(member(model, "text_cfg"), "heads"));
  config.mean = numbers_in(member(preprocess, "mean"));
  config.std = numbers_in(member(preprocess, "std"));
}

}  // namespace

CheckpointConfig read_checkpoint_config(const fs::path& checkpoint, std::string_view family, Progress& progress) {
  CheckpointConfig config;
  if (family == "open_clip") {
    if (const auto root = read_beside(checkpoint, "open_clip_config.json", config, progress))
      read_open_clip(*root, config);
  } else if (family == "timm") {
    if (const auto root = read_beside(checkpoint, "config.json", config, progress)) read_timm(*root, config);
  } else if (family == "hf_vit" || family == "hf_clip") {
    if (const auto root = read_beside(checkpoint, "config.json", config, progress)) read_hugging_face(*root, config);
    if (const auto root = read_beside(checkpoint, "preprocessor_config.json", config, progress)) {
      config.mean = numbers_in(member(*root, "image_mean"));
      config.std = numbers_in(member(*root, "image_std"));
    }
  }
  return config;
}

}  // namespace mt
