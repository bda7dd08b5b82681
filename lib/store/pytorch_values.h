// What PyTorch's pickles say about tensors: the step from pickle values to named tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/tensor.h"
#include "store/checkpoint.h"
#include "store/pickle.h"

namespace mt {

// Everything that a PyTorch pickle may name; nothing of it is ever called. script: TorchScript's own classes too.
bool is_pytorch_global(std::string_view name, bool script);

// A reference to a block of bytes outside the pickle.
struct StorageReference {
  std::string_view key;
  std::optional<DType> dtype;  // nullopt: untyped, count is in bytes
  std::uint64_t count = 0;     // elements
};
StorageReference storage_reference(const PickleValue& persistent, const std::string& where);  // throws Error

// The bytes of a storage, or Error when their number is not what the reference says.
using Storages = std::function<std::span<const std::byte>(const StorageReference& reference)>;

struct PickledTensors {
  Storages storages;
  std::shared_ptr<const void> keep_alive;
  std::uint64_t copy_budget;  // bytes that views in another order may be copied to, in all
};

// Walks through dictionaries, lists and script objects and fills checkpoint.tensors and .metadata, names joined by ".".
void flatten(const PickleValue& root, PickledTensors tensors, const std::string& where, Checkpoint& checkpoint);

}  // namespace mt
