// The safetensors container: a JSON header and one block of tensors, with every check that its specification asks for.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/files.h"
#include "store/checkpoint.h"

namespace mt {

// Whether the bytes start like safetensors: a header length that could be and a "{".
bool looks_like_safetensors(std::span<const std::byte> bytes);

// Tensors borrow from the file. Throws Error: header too long, not JSON, a key twice, offsets that overlap, leave holes
// or leave the file, sizes that do not fit shape and type, types that we lack.
Checkpoint read_safetensors(std::shared_ptr<const MappedFile> file, const std::string& where);

}  // namespace mt
