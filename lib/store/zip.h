// Zip archives as PyTorch and NumPy write them, distrusted: every header is checked against its twin and against the
// bytes that exist before anything is read. Names are never used as paths.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

struct ZipEntry {
  std::string name;
  bool deflated = false;
  std::uint32_t crc = 0;
  std::uint64_t packed_size = 0, size = 0;  // bytes in the archive, bytes of the content
  std::uint64_t header = 0, offset = 0;     // where its header and its packed bytes start in the archive
};

class ZipArchive {
 public:
  // bytes: the whole archive; where: its name in errors. Throws Error: damaged, truncated, encrypted, split over disks,
  // compressed by anything but deflate, overlapping or duplicate entries, names with "..", headers that disagree.
  ZipArchive(std::span<const std::byte> bytes, std::string where);

  const std::vector<ZipEntry>& entries() const { return entries_; }  // in the order of the central directory
  const ZipEntry* find(std::string_view name) const;                 // nullptr: there is none

  // The content of an entry that is stored, not compressed, without a copy. Throws Error: compressed, wrong checksum.
  std::span<const std::byte> stored(const ZipEntry& entry) const;
  std::span<const std::byte> packed(const ZipEntry& entry) const {
    return bytes_.subspan(entry.offset, entry.packed_size);
  }
  std::string where_of(const ZipEntry& entry) const;  // "file.pth: data.pkl"

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  std::vector<ZipEntry> entries_;
  std::vector<std::size_t> by_name_;  // indices into entries_, sorted by name
};

// The content of one entry from front to back, inflated on the way where it is compressed.
class ZipStream {
 public:
  ZipStream(const ZipArchive& archive, const ZipEntry& entry);
  ~ZipStream();
  ZipStream(const ZipStream&) = delete;
  ZipStream& operator=(const ZipStream&) = delete;

  std::uint64_t remaining() const { return remaining_; }
  void read(std::span<std::byte> out);  // exactly out.size() bytes, at most remaining(); throws Error when damaged
  void finish();                        // after the last byte: throws Error unless the checksum agrees

 private:
  struct Inflater;
  std::string where_;
  std::span<const std::byte> packed_;
  std::uint32_t expected_crc_, crc_ = 0;
  std::uint64_t remaining_;
  std::unique_ptr<Inflater> inflater_;  // null: stored
};

}  // namespace mt
