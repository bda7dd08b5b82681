// PyTorch's files: the zip format of torch.save since 1.6, TorchScript archives, and the older sequence of pickles.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/files.h"
#include "store/checkpoint.h"
#include "store/zip.h"

namespace mt {

// The one "NAME/data.pkl" of a PyTorch archive; nullptr when the archive is something else.
const ZipEntry* pytorch_pickle_of(const ZipArchive& archive);

// Tensors borrow from the file where they lie row-major. Throws Error: pickles that want anything but tensors and plain
// values, storages shorter than their views, overlapping views, types that we lack, damage.
Checkpoint read_pytorch_zip(std::shared_ptr<const MappedFile> file, const ZipArchive& archive, const ZipEntry& pickle,
                            const std::string& where);

// Whether the bytes start with the magic number of PyTorch before 1.6.
bool looks_like_legacy_pytorch(std::span<const std::byte> bytes);
Checkpoint read_legacy_pytorch(std::shared_ptr<const MappedFile> file, const std::string& where);

}  // namespace mt
