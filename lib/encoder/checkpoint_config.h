// What the JSON files beside a checkpoint say: Hugging Face's config.json and preprocessor_config.json, timm's
// config.json, open_clip's open_clip_config.json.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"

namespace mt {

struct CheckpointConfig {
  std::optional<std::size_t> width, heads, text_heads;
  std::optional<double> eps;
  std::optional<std::string> activation;                 // "gelu", "quick_gelu", or what we lack, as the file spells it
  std::optional<std::string> pooling;                    // "cls", "mean"
  std::vector<double> mean, std;                         // empty: not said
  std::optional<std::array<std::size_t, 2>> image_size;  // height, width
  std::vector<std::string> files;                        // that were read, without folders
};

// Reads the files that belong to family, if they are there. One that is not JSON is left out with a warning.
CheckpointConfig read_checkpoint_config(const std::filesystem::path& checkpoint, std::string_view family,
                                        Progress& progress);

}  // namespace mt
