// Our models as safetensors, for other programs: tensors named PART/TENSOR, configurations as JSON in the metadata.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "store/checkpoint.h"
#include "store/model.h"

namespace mt {

// Written beside the target and renamed when whole. Equal models give equal bytes. Refuses an existing file without
// force.
void write_model_safetensors(const std::filesystem::path& path, const Model& model, const std::string& creator,
                             bool force);

// The model in a checkpoint that write_model_safetensors made, contents verified; nullopt when it is of somebody else.
// Throws Error: newer format, parts that do not fit their tensors, contents that do not match their digest.
std::optional<Model> model_in(const Checkpoint& checkpoint, const std::string& source);

}  // namespace mt
