#include "store/zip.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace mt {

namespace {

// PKWARE APPNOTE 6.3.10, sections 4.3 and 4.5.
constexpr std::uint32_t kLocal = 0x04034B50, kCentral = 0x02014B50, kEnd = 0x06054B50, kEnd64 = 0x06064B50,
                        kLocator64 = 0x07064B50;
constexpr std::uint64_t kEndSize = 22, kLocatorSize = 20, kEnd64Size = 56, kCentralSize = 46, kMaxComment = 0xFFFF;
constexpr std::uint16_t kEncrypted = 1, kDescriptor = 8, kKnownFlags = 0x0006 | kDescriptor | 0x0800;
constexpr std::uint16_t kStored = 0, kDeflated = 8;
constexpr std::uint32_t kIn64 = 0xFFFFFFFF;  // "the true number is in the zip64 extra field"

// More tensors than any model has; bounds the directory's memory.
constexpr std::uint64_t kMaxEntries = 1 << 18;

struct Directory {
  std::uint64_t entries, size, offset, limit;  // limit: where the records behind the directory start
};

struct Sizes {
  std::uint64_t size, packed_size, offset;
};

// The end record with its comment must be the last bytes of the file: anything behind it could hide a second directory.
std::uint64_t find_end(std::span<const std::byte> bytes, const std::string& where) {
  for (std::uint64_t back = kEndSize; back <= std::min<std::uint64_t>(bytes.size(), kEndSize + kMaxComment); ++back) {
    const std::uint64_t position = bytes.size() - back;
    ByteReader reader(bytes, where, position);
    if (reader.take<std::uint32_t>() != kEnd) continue;
    reader.skip(16);
    if (reader.take<std::uint16_t>() == back - kEndSize) return position;
  }
  throw Error(where, "is a zip file without its directory at the end: it is cut short or damaged", "copy it again");
}

Directory read_end(std::span<const std::byte> bytes, const std::string& where) {
  const std::uint64_t end = find_end(bytes, where);
  ByteReader reader(bytes, where, end + 4);
  const auto disk = reader.take<std::uint16_t>(), directory_disk = reader.take<std::uint16_t>();
  const auto entries_here = reader.take<std::uint16_t>(), entries = reader.take<std::uint16_t>();
  const auto size = reader.take<std::uint32_t>(), offset = reader.take<std::uint32_t>();
  if (disk != 0 || directory_disk != 0 || entries_here != entries)
    throw Error(where, "is one part of a split zip file");
  Directory directory{entries, size, offset, end};
  const bool has_locator =
      end >= kLocatorSize && ByteReader(bytes, where, end - kLocatorSize).take<std::uint32_t>() == kLocator64;
  if (!has_locator) return directory;

  ByteReader locator(bytes, where, end - kLocatorSize + 4);
  const auto disk64 = locator.take<std::uint32_t>();
  const auto position64 = locator.take<std::uint64_t>();
  const auto disks = locator.take<std::uint32_t>();
  ByteReader reader64(bytes, where, position64);
  const bool known = reader64.take<std::uint32_t>() == kEnd64 && reader64.take<std::uint64_t>() == kEnd64Size - 12;
  if (!known || disk64 != 0 || disks > 1 || position64 + kEnd64Size != end - kLocatorSize) {
    throw Error(where, "has a damaged zip64 directory");
  }
  reader64.skip(4);
  const auto own_disk64 = reader64.take<std::uint32_t>(), directory_disk64 = reader64.take<std::uint32_t>();
  const auto here64 = reader64.take<std::uint64_t>();
  directory = {reader64.take<std::uint64_t>(), reader64.take<std::uint64_t>(), reader64.take<std::uint64_t>(),
               position64};
  const bool agrees = (entries == 0xFFFF || entries == directory.entries) &&
                      (size == kIn64 || size == directory.size) && (offset == kIn64 || offset == directory.offset);
  if (own_disk64 != 0 || directory_disk64 != 0 || here64 != directory.entries || !agrees) {
    throw Error(where, "has two zip directories that disagree");
  }
  return directory;
}

// Replaces the sizes that say "see the zip64 field" by that field's numbers, which stand there in this order.
void apply_zip64(std::span<const std::byte> extra, Sizes& sizes, bool offset_too, const std::string& where) {
  ByteReader reader(extra, where);
  const bool wants_offset = offset_too && sizes.offset == kIn64;
  const bool wanted = sizes.size == kIn64 || sizes.packed_size == kIn64 || wants_offset;
  while (wanted && reader.remaining() >= 4) {
    const auto id = reader.take<std::uint16_t>(), length = reader.take<std::uint16_t>();
    ByteReader field(reader.take_bytes(length), where);
    if (id != 1) continue;
    if (sizes.size == kIn64) sizes.size = field.take<std::uint64_t>();
    if (sizes.packed_size == kIn64) sizes.packed_size = field.take<std::uint64_t>();
    if (wants_offset) sizes.offset = field.take<std::uint64_t>();
    return;
  }
  if (wanted) throw Error(where, "announces zip64 sizes and does not have them");
}

void require_safe_name(std::string_view name, const std::string& where) {
  bool safe = !name.empty() && name[0] != '/' && is_utf8(name) && printable(name) == name &&
              name.find('\\') == std::string_view::npos;
  for (const std::string_view component : split(name, '/')) safe = safe && component != "..";
  if (!safe) throw Error(where, fmt::format("holds an entry with the unsafe name \"{}\"", name));
}

struct Header {
  std::uint16_t flags, method;
  std::uint32_t crc;
  Sizes sizes;
  std::string_view name;
};

Header read_central(ByteReader& reader) {
  if (reader.take<std::uint32_t>() != kCentral) throw Error(reader.where(), "has a damaged zip directory");
  reader.skip(4);
  Header header{};
  header.flags = reader.take<std::uint16_t>();
  header.method = reader.take<std::uint16_t>();
  reader.skip(4);
  header.crc = reader.take<std::uint32_t>();
  header.sizes.packed_size = reader.take<std::uint32_t>();
  header.sizes.size = reader.take<std::uint32_t>();
  const auto name = reader.take<std::uint16_t>(), extra = reader.take<std::uint16_t>(),
             comment = reader.take<std::uint16_t>(), disk = reader.take<std::uint16_t>();
  reader.skip(6);
  header.sizes.offset = reader.take<std::uint32_t>();
  header.name = reader.take_text(name);
  apply_zip64(reader.take_bytes(extra), header.sizes, true, reader.where());
  reader.skip(comment);
  if (disk != 0 && disk != 0xFFFF) throw Error(reader.where(), "is one part of a split zip file");
  return header;
}

// Reads the entry's own header, requires it to agree with the directory's, and returns where the content starts.
std::uint64_t check_local(std::span<const std::byte> bytes, const Header& central, const std::string& where) {
  ByteReader reader(bytes, where, central.sizes.offset);
  const bool signature = reader.take<std::uint32_t>() == kLocal;
  reader.skip(2);
  const auto flags = reader.take<std::uint16_t>(), method = reader.take<std::uint16_t>();
  reader.skip(4);
  const auto crc = reader.take<std::uint32_t>();
  Sizes sizes{};
  sizes.packed_size = reader.take<std::uint32_t>();
  sizes.size = reader.take<std::uint32_t>();
  const auto name_length = reader.take<std::uint16_t>(), extra_length = reader.take<std::uint16_t>();
  const std::string_view name = reader.take_text(name_length);
  apply_zip64(reader.take_bytes(extra_length), sizes, false, where);
  // With a data descriptor behind the content, the numbers here may be zero: the writer did not know them yet.
  const bool later = (flags & kDescriptor) != 0;
  const auto agree = [later](std::uint64_t local, std::uint64_t directory) {
    return local == directory || (later && local == 0);
  };
  if (!signature || flags != central.flags || method != central.method || name != central.name ||
      !agree(crc, central.crc) || !agree(sizes.size, central.sizes.size) ||
      !agree(sizes.packed_size, central.sizes.packed_size)) {
    throw Error(where, fmt::format("has two headers for \"{}\" that disagree", central.name));
  }
  return reader.position();
}

ZipEntry read_entry(std::span<const std::byte> bytes, ByteReader& reader, const std::string& where) {
  const Header header = read_central(reader);
  require_safe_name(header.name, where);
  const std::string name(header.name);
  if ((header.flags & kEncrypted) != 0) throw Error(where, fmt::format("\"{}\" is encrypted", name));
  if ((header.flags & ~kKnownFlags) != 0 || (header.method != kStored && header.method != kDeflated)) {
    throw Error(where, fmt::format("\"{}\" is packed in a way that is not supported (method {}, flags {:#x})", name,
                                   header.method, header.flags));
  }
  if (header.method == kStored && header.sizes.size != header.sizes.packed_size) {
    throw Error(where, fmt::format("\"{}\" is stored in {} bytes but declares {}", name, header.sizes.packed_size,
                                   header.sizes.size));
  }
  const std::uint64_t offset = check_local(bytes, header, where);
  return {
      name,  header.method == kDeflated, header.crc, header.sizes.packed_size, header.sizes.size, header.sizes.offset,
      offset};
}

// Entries in the order of their headers must not reach into each other or into the directory.
void require_disjoint(const std::vector<ZipEntry>& entries, std::uint64_t directory, const std::string& where) {
  std::vector<const ZipEntry*> order;
  for (const ZipEntry& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const ZipEntry* a, const ZipEntry* b) { return a->header < b->header; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::uint64_t limit = i + 1 < order.size() ? order[i + 1]->header : directory;
    if (checked_add(order[i]->offset, order[i]->packed_size, where) > limit) {
      throw Error(where, fmt::format("\"{}\" overlaps what follows it, or is cut short", order[i]->name));
    }
  }
}

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> bytes, std::string where) : bytes_(bytes), where_(std::move(where)) {
  const Directory directory = read_end(bytes_, where_);
  const std::uint64_t end = checked_add(directory.offset, directory.size, where_);
  if (end != directory.limit || directory.entries > kMaxEntries || directory.entries * kCentralSize > directory.size) {
    throw Error(where_, fmt::format("has a zip directory of {} entries in {} bytes at byte {}, which cannot be",
                                    directory.entries, directory.size, directory.offset));
  }
  ByteReader reader(bytes_.first(end), where_, directory.offset);
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    entries_.push_back(read_entry(bytes_.first(directory.offset), reader, where_));
  }
  if (reader.remaining() != 0) throw Error(where_, "has bytes in its zip directory that belong to no entry");
  require_disjoint(entries_, directory.offset, where_);

  by_name_.resize(entries_.size());
  std::iota(by_name_.begin(), by_name_.end(), std::size_t{0});
  std::sort(by_name_.begin(), by_name_.end(), [&](auto a, auto b) { return entries_[a].name < entries_[b].name; });
  for (std::size_t i = 1; i < by_name_.size(); ++i) {
    if (entries_[by_name_[i - 1]].name == entries_[by_name_[i]].name) {
      throw Error(where_, fmt::format("holds \"{}\" twice", entries_[by_name_[i]].name));
    }
  }
}

const ZipEntry* ZipArchive::find(std::string_view name) const {
  const auto found =
      std::lower_bound(by_name_.begin(), by_name_.end(), name,
                       [&](std::size_t i, std::string_view wanted) { return entries_[i].name < wanted; });
  return found != by_name_.end() && entries_[*found].name == name ? &entries_[*found] : nullptr;
}

std::string ZipArchive::where_of(const ZipEntry& entry) const { return where_ + ": " + entry.name; }

std::span<const std::byte> ZipArchive::stored(const ZipEntry& entry) const {
  if (entry.deflated) {
    throw Error(where_of(entry), "is compressed, which PyTorch never does",
                "unpack the archive and pack it with zip -0");
  }
  const auto content = packed(entry);
  if (crc32_of(content) != entry.crc) {
    throw Error(where_of(entry), "is damaged: its bytes do not fit its checksum", "copy the file again");
  }
  release_pages(content);
  return content;
}

struct ZipStream::Inflater {
  z_stream stream{};
  Inflater() {
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

ZipStream::ZipStream(const ZipArchive& archive, const ZipEntry& entry)
    : where_(archive.where_of(entry)),
      packed_(archive.packed(entry)),
      expected_crc_(entry.crc),
      remaining_(entry.size) {
  if (entry.deflated) inflater_ = std::make_unique<Inflater>();
}

ZipStream::~ZipStream() = default;

void ZipStream::read(std::span<std::byte> out) {
  if (out.size() > remaining_) {
    throw Error(where_, fmt::format("ends {} bytes early", out.size() - remaining_), "copy the file again");
  }
  remaining_ -= out.size();
  const std::span<std::byte> all = out;
  if (inflater_ == nullptr) {
    std::copy_n(packed_.begin(), out.size(), out.begin());
    packed_ = packed_.subspan(out.size());
  }
  constexpr std::size_t kStep = std::size_t{1} << 30;  // zlib counts in 32 bits
  while (inflater_ != nullptr && !out.empty()) {
    z_stream& stream = inflater_->stream;
    const std::size_t in = std::min(packed_.size(), kStep), room = std::min(out.size(), kStep);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed_.data()));
    stream.avail_in = static_cast<uInt>(in);
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream, Z_NO_FLUSH);
    const std::size_t written = room - stream.avail_out, used = in - stream.avail_in;
    packed_ = packed_.subspan(used);
    out = out.subspan(written);
    const bool stuck = written == 0 && used == 0;
    if ((result != Z_OK && result != Z_STREAM_END) || stuck || (result == Z_STREAM_END && !out.empty())) {
      throw Error(where_, "is damaged: it cannot be unpacked", "copy the file again");
    }
  }
  crc_ = crc32_of(all, crc_);
}

void ZipStream::finish() {
  if (remaining_ != 0) throw std::logic_error("ZipStream: finish() before the last byte was read");
  if (crc_ != expected_crc_) {
    throw Error(where_, "is damaged: its bytes do not fit its checksum", "copy the file again");
  }
}

}  // namespace mt
