// NumPy's .npz: a zip archive of .npy members, stored or deflated.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/tensor.h"
#include "store/npy.h"
#include "store/zip.h"

namespace mt {

// The members are read one by one on demand; tensors borrow from the mapped file where their bytes can be used as they
// lie. Throws Error: damaged, members that are not arrays, more than a bomb's share of inflated bytes.
class Npz {
 public:
  explicit Npz(const std::filesystem::path& path);
  Npz(std::shared_ptr<const MappedFile> file, std::string where);

  const std::vector<std::string>& names() const { return names_; }  // without ".npy", in the file's order
  bool has(std::string_view name) const;
  NpyHeader header(std::string_view name) const;  // what it declares: shape, type, whether it is text
  Tensor read(std::string_view name) const;       // throws Error naming what there is
  std::vector<std::string> read_text(std::string_view name) const;

 private:
  struct Member {
    std::string where;
    std::span<const std::byte> bytes;        // the .npy file, checksum verified
    std::shared_ptr<const void> keep_alive;  // of bytes
  };
  Member member(std::string_view name) const;

  std::string where_;
  std::shared_ptr<const MappedFile> file_;
  ZipArchive archive_;
  std::vector<std::string> names_;
};

}  // namespace mt
