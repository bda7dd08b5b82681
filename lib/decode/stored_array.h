// Arrays of samples in files: IDX (plain or gzip), NPY, members of NPZ. Rows are read where they lie; what is
// compressed is inflated once, into memory up to a bound and beyond it into a file without a name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"
#include "store/npy.h"

namespace mt {

struct ArrayStorage {
  std::uint64_t in_memory = std::uint64_t{1} << 30;  // inflated bytes kept in memory: one gibibyte
  std::filesystem::path directory = "/var/tmp";      // for the nameless file beyond that
};

struct StoredArray {
  NpyHeader header;                     // kind, item size, byte order and shape of the elements; C order
  std::span<const std::byte> elements;  // as stored
  std::shared_ptr<const void> keep_alive;
  std::string where;  // "mnist.npz: x_train", for errors

  std::size_t rows() const { return header.shape.empty() ? 0 : header.shape[0]; }
  // Row i in this machine's byte order, without the first dimension; a copy. Callable from several threads at once.
  Tensor row(std::size_t i) const;
  Tensor all() const;
};

// An array in memory, seen as if it were in a file.
StoredArray stored_tensor(std::shared_ptr<const Tensor> tensor, std::string where);

enum class ArrayFormat { none, idx, npy, npz };
// By content: the first bytes of a file; gzip only when what it holds starts like IDX.
ArrayFormat array_format(std::span<const std::byte> file);
ArrayFormat array_format(const std::filesystem::path& path);  // throws Error when it cannot be opened

// All throw Error: damaged, cut, more bytes than declared, or fewer.
StoredArray open_idx(const std::filesystem::path& path, const ArrayStorage& storage = {});
StoredArray open_npy(const std::filesystem::path& path);

struct NpzMember {
  std::string name;  // without .npy
  NpyHeader header;
  std::string unread;  // why it cannot be read (pickled objects, say); "" when it can
};
std::vector<NpzMember> list_npz(const std::filesystem::path& path);
StoredArray open_npz(const std::filesystem::path& path, const std::string& member, const ArrayStorage& storage = {});

}  // namespace mt
