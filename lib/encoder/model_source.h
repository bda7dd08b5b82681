// Whatever --model may name, as a Model: our model files, foreign checkpoints recognised by their keys, random ones.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/progress.h"
#include "store/model.h"

namespace mt {

// What keys cannot tell follows the family and yields to these.
struct ModelOverrides {
  std::optional<std::size_t> heads;
  std::optional<double> eps;
  std::optional<std::string> activation;  // "gelu", "quick_gelu"
  std::optional<double> scale;
  bool no_norm = false;    // leave the final norm (and the projection behind it) out
  std::uint64_t seed = 0;  // of random:*
};

// name: a path, or "random:tiny", "random:small", "random:b16", "random:l14" (also random:b16@SEED). Assumptions are
// told through progress.note. Throws Error naming every tensor that is missing, surplus or of the wrong shape.
Model load_model(const std::string& name, const ModelOverrides& overrides, Progress& progress);

// Several --model options: later files add parts. Two that hold the same part are an error, unless keep_first takes the
// first one's and notes it.
Model load_models(const std::vector<std::string>& names, const ModelOverrides& overrides, Progress& progress,
                  bool keep_first = false);

}  // namespace mt
