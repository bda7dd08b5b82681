#include "decode/spectral/matlab_file.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "decode/gzip.h"

namespace mt {

namespace {

constexpr std::size_t kHeader = 128, kMostVariables = 100'000, kMostDimensions = 32;
constexpr std::size_t kHead = std::size_t{1} << 16;  // inflated of a variable to learn its name, type and dimensions
enum DataType : std::uint32_t { kInt8 = 1, kInt32 = 5, kUint32 = 6, kMatrix = 14, kCompressed = 15 };

constexpr std::array<std::string_view, 16> kClasses = {"?",      "cell",   "struct", "object", "char",  "sparse",
                                                       "double", "single", "int8",   "uint8",  "int16", "uint16",
                                                       "int32",  "uint32", "int64",  "uint64"};

struct Number {
  char kind;
  std::size_t bytes;
};
// Of a data element's type; bytes 0: not numbers.
Number number_of(std::uint32_t type) {
  switch (type) {
    case 1:
      return {'i', 1};
    case 2:
      return {'u', 1};
    case 3:
      return {'i', 2};
    case 4:
      return {'u', 2};
    case 5:
      return {'i', 4};
    case 6:
      return {'u', 4};
    case 7:
      return {'f', 4};
    case 9:
      return {'f', 8};
    case 12:
      return {'i', 8};
    case 13:
      return {'u', 8};
    default:
      return {'?', 0};
  }
}

// Steps through data elements.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, bool big_endian, std::string_view where)
      : bytes_(bytes), big_endian_(big_endian), where_(where) {}

  struct Tagged {
    std::uint32_t type = 0;
    std::size_t begin = 0, size = 0;  // of the contents, which may reach beyond the bytes at hand
  };

  bool at_end() const { return at_ >= bytes_.size(); }
  std::size_t position() const { return at_; }
  std::size_t left() const { return bytes_.size() - std::min(at_, bytes_.size()); }

  Tagged next() {
    const std::uint32_t first = u32(at_);
    if (first >> 16 != 0) {  // a small element: its size in the upper half, the contents in the same eight bytes
      const Tagged element{first & 0xFFFF, at_ + 4, first >> 16};
      if (element.size > 4) throw Error(where_, "has a small element of more than 4 bytes", "copy it again");
      at_ += 8;
      return element;
    }
    const Tagged element{first, at_ + 8, u32(at_ + 4)};
    // Contents end at a multiple of eight, compressed ones where they end.
    at_ = element.begin + (first == kCompressed ? element.size : (element.size + 7) / 8 * 8);
    return element;
  }

  std::span<const std::byte> contents(const Tagged& element) const {
    if (element.begin > bytes_.size() || element.size > bytes_.size() - element.begin)
      throw Error(where_, fmt::format("ends after {} bytes, within a variable", bytes_.size()), "copy it again");
    return bytes_.subspan(element.begin, element.size);
  }

  std::uint32_t u32(std::size_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < 4)
      throw Error(where_, fmt::format("ends after {} bytes, within a variable", bytes_.size()), "copy it again");
    std::uint32_t value = 0;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return big_endian_ != (std::endian::native == std::endian::big) ? __builtin_bswap32(value) : value;
  }

 private:
  std::span<const std::byte> bytes_;
  bool big_endian_;
  std::string_view where_;
  std::size_t at_ = 0;
};

// The head of a matrix: flags, dimensions, name; the cursor then stands before the numbers.
struct Head {
  MatlabVariable variable;
  bool complex = false;
};

Head read_head(Cursor& cursor, std::string_view where) {
  const Cursor::Tagged flags = cursor.next();
  if (flags.type != kUint32 || flags.size != 8) throw Error(where, "has a variable without its flags", "copy it again");
  cursor.contents(flags);
  const std::uint32_t word = cursor.u32(flags.begin), type = word & 0xFF;
  const Cursor::Tagged sizes = cursor.next();
  if (sizes.type != kInt32 || sizes.size % 4 != 0 || sizes.size / 4 < 2 || sizes.size / 4 > kMostDimensions)
    throw Error(where, "has a variable without dimensions", "copy it again");
  cursor.contents(sizes);
  Head head;
  head.complex = (word & 0x800) != 0;
  for (std::size_t i = 0; i < sizes.size; i += 4) {
    const std::uint32_t size = cursor.u32(sizes.begin + i);
    if (size > 0x7FFFFFFF) throw Error(where, "has a variable of a negative size", "copy it again");
    head.variable.dimensions.push_back(size);
  }
  const Cursor::Tagged name = cursor.next();
  if (name.type != kInt8 || name.size > 4096) throw Error(where, "has a variable without a name", "copy it again");
  const auto text = cursor.contents(name);
  head.variable.name.assign(reinterpret_cast<const char*>(text.data()), text.size());
  head.variable.type = std::string(kClasses[type < kClasses.size() ? type : 0]);
  head.variable.numeric = type >= 6 && type < kClasses.size() && !head.complex;
  return head;
}

// A zlib stream from front to back.
class Inflater {
 public:
  Inflater(std::span<const std::byte> packed, const std::string& where) : packed_(packed), where_(where) {
    if (inflateInit(&stream_) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // As many bytes as there are, at most out.size(). Throws Error when they are damaged.
  std::size_t read_some(std::span<std::byte> out) {
    std::size_t given = 0;
    while (given < out.size() && !ended_) {
      const std::size_t in = std::min(packed_.size() - taken_, kPiece), room = std::min(out.size() - given, kPiece);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed_.data() + taken_));
      stream_.avail_in = static_cast<uInt>(in);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + given);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      taken_ += in - stream_.avail_in;
      given += room - stream_.avail_out;
      if (status == Z_BUF_ERROR) break;  // nothing left to inflate
      if (status != Z_OK && status != Z_STREAM_END) {
        throw Error(where_,
                    fmt::format("its compressed data are damaged ({})",
                                stream_.msg != nullptr ? stream_.msg : "zlib knows no more"),
                    "copy it again");
      }
      ended_ = status == Z_STREAM_END;
    }
    return given;
  }

  // The end with its checksum, and nothing before it.
  void finish() {
    std::byte surplus{};
    if (read_some({&surplus, 1}) > 0 || !ended_)
      throw Error(where_, ended_ ? "has more bytes than it declares" : "its compressed data are cut", "copy it again");
  }

 private:
  static constexpr std::size_t kPiece = std::size_t{1} << 30;  // zlib counts in unsigned int
  std::span<const std::byte> packed_;
  std::string where_;
  z_stream stream_{};
  std::size_t taken_ = 0;
  bool ended_ = false;
};

// Numbers behind the head, found in bytes that start with the matrix's first element.
MatlabArray numbers_in(std::span<const std::byte> bytes, bool big_endian, const std::string& where) {
  Cursor cursor(bytes, big_endian, where);
  const Head head = read_head(cursor, where);
  const Cursor::Tagged data = cursor.next();
  const Number number = number_of(data.type);
  if (number.bytes == 0)
    throw Error(where, fmt::format("holds data of the unknown type {}", data.type), "save it again");
  MatlabArray array;
  array.shape.assign(head.variable.dimensions.rbegin(), head.variable.dimensions.rend());
  array.kind = number.kind;
  array.item_bytes = number.bytes;
  array.big_endian = big_endian;
  const std::size_t need = checked_mul(element_count(array.shape), number.bytes, where);
  if (data.size != need)
    throw Error(where, fmt::format("has {} bytes of numbers where {} are declared", data.size, need), "copy it again");
  array.elements = cursor.contents(data);
  return array;
}

}  // namespace

MatlabFile::MatlabFile(std::span<const std::byte> file, std::string where) : file_(file), where_(std::move(where)) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), std::min<std::size_t>(file.size(), kHeader));
  if (text.size() < kHeader || !(text.ends_with("IM") || text.ends_with("MI"))) {
    throw Error(where_, "is no MAT-file of version 5",
                text.size() >= 4 && text[3] == '\0' ? "version 4: save it again with -v7" : "is this a MATLAB file?");
  }
  big_endian_ = text.ends_with("MI");
  const unsigned high = static_cast<unsigned char>(text[big_endian_ ? 124 : 125]);
  if (high != 1) throw Error(where_, fmt::format("is a MAT-file of version {}", high), "save it again with -v7");
  Cursor cursor(file.subspan(kHeader), big_endian_, where_);
  while (cursor.left() >= 8) {
    const Cursor::Tagged element = cursor.next();
    if (element.type != kMatrix && element.type != kCompressed)
      throw Error(where_, fmt::format("has a variable of the unknown type {}", element.type), "copy it again");
    std::span<const std::byte> contents = cursor.contents(element);
    std::vector<std::byte> inflated;
    const bool compressed = element.type == kCompressed;
    if (compressed) {
      inflated.resize(kHead);
      inflated.resize(Inflater(contents, where_).read_some(inflated));
      if (inflated.size() < 8) throw Error(where_, "has an empty compressed variable", "copy it again");
      contents = std::span<const std::byte>(inflated).subspan(8);
    }
    Cursor within(contents, big_endian_, where_);
    variables_.push_back(read_head(within, where_).variable);
    elements_.push_back({kHeader + element.begin, kHeader + element.begin + element.size, compressed});
    if (variables_.size() > kMostVariables) throw Error(where_, "has too many variables");
  }
  if (cursor.left() > 0) throw Error(where_, "ends within a variable", "copy it again");
}

const MatlabVariable* MatlabFile::find(const std::string& name) const {
  const auto found = std::find_if(variables_.begin(), variables_.end(),
                                  [&](const MatlabVariable& variable) { return variable.name == name; });
  return found == variables_.end() ? nullptr : &*found;
}

MatlabArray MatlabFile::read(const std::string& name, std::uint64_t limit) const {
  const MatlabVariable* variable = find(name);
  std::vector<std::string> names;
  for (const MatlabVariable& known : variables_) names.push_back(known.name);
  if (variable == nullptr)
    throw Error(where_, fmt::format("has no variable \"{}\", it holds {}", printable(name), listed(names)));
  const std::string where = fmt::format("{}: {}", where_, printable(name));
  if (!variable->numeric)
    throw Error(where, fmt::format("is no array of real numbers but {}", variable->type), "name another variable");
  const Element& element = elements_[static_cast<std::size_t>(variable - variables_.data())];
  const std::span<const std::byte> stored = file_.subspan(element.begin, element.end - element.begin);
  if (!element.compressed) return numbers_in(stored, big_endian_, where);

  // What it declares of its own size is checked before memory is asked for.
  Inflater inflater(stored, where);
  std::array<std::byte, 8> tag{};
  if (inflater.read_some(tag) < tag.size()) throw Error(where, "is empty", "copy it again");
  const std::uint64_t size = Cursor(tag, big_endian_, where).u32(4);
  require_within(size, limit, where, "the inflated variable");
  if (size / kMaxDeflateRatio > stored.size() + 64) {
    throw Error(where, fmt::format("declares {} bytes, but {} compressed ones cannot hold them", size, stored.size()),
                "copy it again");
  }
  const auto inflated = std::make_shared<std::vector<std::byte>>(size);
  if (inflater.read_some(*inflated) < size) throw Error(where, "its compressed data are cut", "copy it again");
  inflater.finish();
  MatlabArray array = numbers_in(*inflated, big_endian_, where);
  array.keep_alive = inflated;
  return array;
}

}  // namespace mt
