// A foreign checkpoint's tensors under our names, and the settings that belong to them.
#pragma once

#include <string>

#include "base/progress.h"
#include "encoder/checkpoint_config.h"
#include "encoder/key_layouts.h"
#include "encoder/model_source.h"
#include "store/checkpoint.h"
#include "store/model.h"

namespace mt {

// Parts "encoder", "tokenizer/image" where the checkpoint has an image tokenizer, and "text" where it has a CLIP text
// tower. All floats of the first two become f32. What keys cannot tell comes from overrides, else from config, else
// from the family, and is noted. Throws Error naming tensors that are missing, of the wrong shape, or of an
// architecture that we lack; others that are not needed are noted.
Model import_checkpoint(Checkpoint checkpoint, const Recognised& recognised, const CheckpointConfig& config,
                        const ModelOverrides& overrides, const std::string& source, Progress& progress);

// The same settings for a model that has its configuration already.
void apply_overrides(Model& model, const ModelOverrides& overrides);

}  // namespace mt
