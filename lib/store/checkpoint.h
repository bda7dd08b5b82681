// Foreign checkpoint containers, read without executing anything: PyTorch zip (.pth, .pt, TorchScript archives),
// safetensors, npz. All give the same thing: named tensors and what else the container says.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt {

struct Checkpoint {
  std::string container;                  // "pytorch", "torchscript", "safetensors", "npz"
  std::map<std::string, Tensor> tensors;  // contiguous; borrow from the mapped file where the container allows it
  nlohmann::json metadata = nlohmann::json::object();  // scalars and strings of the pickle, __metadata__ of safetensors
};

// Recognised by content, not by name. Throws Error: unknown, damaged, hostile, too large, pickles that want to call.
// Nested dictionaries ({"state_dict": {...}, "epoch": 3}) are flattened with "."; "module." prefixes are kept.
Checkpoint read_checkpoint(const std::filesystem::path& path);

// Reads and writes safetensors exactly (f32, f16, bf16, integers); metadata values are strings.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata, bool force);

}  // namespace mt
