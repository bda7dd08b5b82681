// Our HDF5 model files: contiguous, aligned tensors with a digest each, mapped when read.
#pragma once

#include <filesystem>
#include <string>

#include "store/model.h"

namespace mt {

bool is_model_file(const std::filesystem::path& path);  // HDF5 with mt_kind = "model"
// Tensors borrow from the mapped file. Digests are taken from the file, not verified (verify_model_file does).
Model read_model_file(const std::filesystem::path& path);
// Written beside the target and renamed when whole. Equal models give equal bytes. Refuses an existing file without
// force.
void write_model_file(const std::filesystem::path& path, const Model& model, const std::string& creator, bool force);
// Recomputes every tensor's digest; throws Error naming the first that differs.
void verify_model_file(const std::filesystem::path& path);

}  // namespace mt
