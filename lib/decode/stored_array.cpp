#include "decode/stored_array.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "decode/gzip.h"
#include "store/zip.h"

namespace mt {

namespace {

constexpr std::size_t kIdxMagic = 4, kMaxIdxRank = 8, kPiece = std::size_t{1} << 24;
constexpr std::uint64_t kSmall = std::uint64_t{1} << 16;  // slack for headers in checks of compression ratios

// Writable bytes, given back with the last pointer to them.
struct Room {
  std::shared_ptr<std::byte> bytes;
  std::size_t size = 0;
  std::span<std::byte> span() const { return {bytes.get(), size}; }
};

int nameless_file(std::uint64_t size, const ArrayStorage& storage, const std::string& where) {
  const std::string remedy = "unpack it beforehand, or make room";
  std::string name = (storage.directory / "mt-XXXXXX").string();
  const int file = ::mkostemp(name.data(), O_CLOEXEC);
  if (file < 0)
    throw system_error(where, fmt::format("make a temporary file in {}", storage.directory.string()), errno, remedy);
  ::unlink(name.c_str());
  // Blocks are taken now: a full disk is an error here, and a signal if a mapped page finds none later.
  const int status = ::posix_fallocate(file, 0, static_cast<off_t>(size));
  if (status != 0) {
    ::close(file);
    throw system_error(where, fmt::format("take {} in {}", human_bytes(size), storage.directory.string()), status,
                       remedy);
  }
  return file;
}

Room make_room(std::uint64_t size, const ArrayStorage& storage, const std::string& where) {
  if (size == 0) return {};
  const bool in_memory = size <= storage.in_memory;
  const int file = in_memory ? -1 : nameless_file(size, storage, where);
  void* data =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, in_memory ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED, file, 0);
  if (file >= 0) ::close(file);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return {std::shared_ptr<std::byte>(static_cast<std::byte*>(data), [size](std::byte* p) { ::munmap(p, size); }), size};
}

// Fills room piece by piece, so that a signal is heard in between.
template <class Reader>
void fill(Reader& reader, std::span<std::byte> room) {
  while (!room.empty()) {
    throw_if_interrupted();
    const auto piece = room.first(std::min(kPiece, room.size()));
    reader.read(piece);
    room = room.subspan(piece.size());
  }
}

void require_plausible(std::uint64_t declared, std::uint64_t packed, const std::string& where) {
  if (declared / kMaxDeflateRatio <= packed + kSmall) return;
  throw Error(where, fmt::format("declares {} bytes, but {} compressed ones cannot hold them", declared, packed),
              "copy it again");
}

// The first bytes of an IDX file: 0, 0, a type, the number of dimensions (http://yann.lecun.com/exdb/mnist).
bool is_idx(std::span<const std::byte> magic) {
  if (magic.size() < kIdxMagic || magic[0] != std::byte{0} || magic[1] != std::byte{0}) return false;
  const auto type = std::to_integer<unsigned>(magic[2]), rank = std::to_integer<unsigned>(magic[3]);
  return type >= 8 && type <= 14 && type != 10 && rank >= 1 && rank <= kMaxIdxRank;
}

NpyHeader idx_header(std::span<const std::byte, kIdxMagic> magic, std::span<const std::byte> extents,
                     const std::string& where) {
  NpyHeader header;
  const auto type = std::to_integer<unsigned>(magic[2]);
  constexpr char kKind[] = {'u', 'i', '\0', 'i', 'i', 'f', 'f'};
  constexpr std::size_t kItem[] = {1, 1, 0, 2, 4, 4, 8};
  header.kind = kKind[type - 8];
  header.item_bytes = kItem[type - 8];
  header.big_endian = true;
  for (std::size_t at = 0; at < extents.size(); at += 4) {
    std::size_t extent = 0;
    for (std::size_t i = 0; i < 4; ++i) extent = extent << 8 | std::to_integer<std::size_t>(extents[at + i]);
    header.shape.push_back(extent);
  }
  header.data_offset = kIdxMagic + extents.size();
  header.data_bytes = checked_mul(element_count(header.shape), header.item_bytes, where);
  return header;
}

StoredArray idx_from_gzip(const std::shared_ptr<const MappedFile>& file, const std::string& where,
                          const ArrayStorage& storage) {
  GzipReader reader(file->bytes(), where);
  std::array<std::byte, kIdxMagic> magic{};
  reader.read(magic);
  if (!is_idx(magic)) throw Error(where, "holds no IDX array", "gunzip it first");
  std::array<std::byte, 4 * kMaxIdxRank> extents{};
  const std::size_t rank = std::to_integer<std::size_t>(magic[3]);
  reader.read(std::span(extents).first(4 * rank));
  StoredArray array;
  array.where = where;
  array.header = idx_header(magic, std::span(extents).first(4 * rank), where);
  require_plausible(array.header.data_bytes, file->bytes().size(), where);
  const Room room = make_room(array.header.data_bytes, storage, where);
  fill(reader, room.span());
  std::byte surplus{};
  if (reader.read_some({&surplus, 1}) > 0) {
    throw Error(
        where,
        fmt::format("holds more than the {} bytes of {}", array.header.data_bytes, to_string(array.header.shape)),
        "copy it again");
  }
  array.elements = room.span();
  array.keep_alive = room.bytes;
  return array;
}

StoredArray from_npy(std::span<const std::byte> file, const std::string& where, std::shared_ptr<const void> keep_alive,
                     std::uint64_t in_memory) {
  NpyHeader header = parse_npy_header(file, where);
  if (header.fortran_order && header.shape.size() > 1 && !header.is_text()) {
    if (header.data_bytes > in_memory) {
      throw Error(where, fmt::format("is in Fortran order and takes {}", human_bytes(header.data_bytes)),
                  "save it with numpy.ascontiguousarray");
    }
    return stored_tensor(std::make_shared<const Tensor>(read_npy(file, where)), where);
  }
  const std::size_t have = file.size() - header.data_offset;
  if (have != header.data_bytes) {
    throw Error(where, fmt::format("has {} bytes of data where {} are declared", have, header.data_bytes),
                "copy it again");
  }
  return {header, file.subspan(header.data_offset), std::move(keep_alive), where};
}

const ZipEntry& entry_of(const ZipArchive& archive, const std::string& member, const std::string& where) {
  const ZipEntry* entry = archive.find(member + ".npy");
  if (entry == nullptr)
    throw Error(where, fmt::format("has no array \"{}\"", member), "list its arrays with mt-inspect");
  return *entry;
}

}  // namespace

Tensor StoredArray::row(std::size_t i) const {
  const std::size_t bytes = header.row_bytes();
  const Shape shape(header.shape.begin() + 1, header.shape.end());
  return npy_elements(header, shape, elements.subspan(i * bytes, bytes), where);
}

Tensor StoredArray::all() const { return npy_elements(header, header.shape, elements, where); }

StoredArray stored_tensor(std::shared_ptr<const Tensor> tensor, std::string where) {
  StoredArray array;
  const DType dtype = tensor->dtype();
  const bool is_float = dtype == DType::f16 || dtype == DType::f32 || dtype == DType::f64;
  const bool is_unsigned = dtype == DType::u8 || dtype == DType::u16;
  array.header.kind = dtype == DType::boolean ? 'b' : is_float ? 'f' : is_unsigned ? 'u' : 'i';
  array.header.item_bytes = size_of(dtype);
  array.header.shape = tensor->shape();
  array.header.data_bytes = tensor->bytes().size();
  array.elements = tensor->bytes();
  array.keep_alive = std::move(tensor);
  array.where = std::move(where);
  return array;
}

ArrayFormat array_format(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.starts_with("\x93NUMPY")) return ArrayFormat::npy;
  if (text.starts_with("PK\x03\x04") || text.starts_with("PK\x05\x06")) return ArrayFormat::npz;
  if (is_idx(file)) return ArrayFormat::idx;
  if (!is_gzip(file)) return ArrayFormat::none;
  try {
    std::array<std::byte, kIdxMagic> magic{};
    GzipReader reader(file, "");
    return reader.read_some(magic) == magic.size() && is_idx(magic) ? ArrayFormat::idx : ArrayFormat::none;
  } catch (const Error&) {  // a few bytes of a large file end in mid-stream, and damage is heard when it is read
    return ArrayFormat::none;
  }
}

ArrayFormat array_format(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::file_size(path, error) == 0 || error) return ArrayFormat::none;
  return array_format(MappedFile::open(path)->bytes());
}

StoredArray open_idx(const std::filesystem::path& path, const ArrayStorage& storage) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const std::string where = path.string();
  const std::span<const std::byte> bytes = file->bytes();
  if (is_gzip(bytes)) return idx_from_gzip(file, where, storage);
  if (!is_idx(bytes)) throw Error(where, "is no IDX array");
  const std::size_t extents = 4 * std::to_integer<std::size_t>(bytes[3]);
  if (bytes.size() < kIdxMagic + extents)
    throw Error(where, fmt::format("ends after {} bytes, within its header", bytes.size()));
  StoredArray array;
  array.where = where;
  array.header = idx_header(bytes.first<kIdxMagic>(), bytes.subspan(kIdxMagic, extents), where);
  array.elements = bytes.subspan(array.header.data_offset);
  if (array.elements.size() != array.header.data_bytes) {
    throw Error(where,
                fmt::format("has {} bytes of data where {} {} are declared", array.elements.size(),
                            array.header.data_bytes, to_string(array.header.shape)),
                "copy it again");
  }
  array.keep_alive = file;
  return array;
}

StoredArray open_npy(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  return from_npy(file->bytes(), path.string(), file, ArrayStorage().in_memory);
}

std::vector<NpzMember> list_npz(const std::filesystem::path& path) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const ZipArchive archive(file->bytes(), path.string());
  std::vector<NpzMember> members;
  for (const ZipEntry& entry : archive.entries()) {
    if (!entry.name.ends_with(".npy")) continue;
    NpzMember& member = members.emplace_back();
    member.name = entry.name.substr(0, entry.name.size() - 4);
    ZipStream stream(archive, entry);
    std::vector<std::byte> head(std::min<std::uint64_t>(entry.size, kMaxNpyHeader));
    stream.read(head);
    try {
      member.header = parse_npy_header(head, archive.where_of(entry));
    } catch (const Error& error) {
      member.unread = error.why();
    }
  }
  return members;
}

StoredArray open_npz(const std::filesystem::path& path, const std::string& member, const ArrayStorage& storage) {
  const std::shared_ptr<const MappedFile> file = MappedFile::open(path);
  const std::string name = path.string(), where = fmt::format("{}: {}", name, member);
  const ZipArchive archive(file->bytes(), name);
  const ZipEntry& entry = entry_of(archive, member, name);
  if (!entry.deflated) return from_npy(archive.stored(entry), where, file, storage.in_memory);
  require_plausible(entry.size, entry.packed_size, where);
  const Room room = make_room(entry.size, storage, where);
  ZipStream stream(archive, entry);
  fill(stream, room.span());
  stream.finish();
  return from_npy(room.span(), where, room.bytes, storage.in_memory);
}

}  // namespace mt
