#include "store/npy.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxRank = 32;  // NumPy's own limit before version 2

// The header is a Python dictionary literal; this reads the few forms that NumPy writes, and nothing else.
class HeaderText {
 public:
  HeaderText(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  NpyHeader parse() {
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !has_type_)
        has_type_ = parse_type();
      else if (key == "fortran_order" && !has_order_)
        has_order_ = parse_order();
      else if (key == "shape" && !has_shape_)
        has_shape_ = parse_shape();
      else
        fail(fmt::format("has an unexpected or repeated key \"{}\"", key));
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("goes on behind its closing brace");
    if (!has_type_ || !has_order_ || !has_shape_) fail("lacks one of descr, fortran_order and shape");
    return header_;
  }

 private:
  [[noreturn]] void fail(std::string_view why) const {
    throw Error(where_, fmt::format("the .npy header {}", why), "write it again with numpy.save");
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("lacks \"{}\" at its byte {}", c, at_));
  }
  std::string_view quoted() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail(fmt::format("lacks a quoted word at its byte {}", at_));
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("ends within a quoted word");
    const std::string_view word = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return word;
  }

  bool parse_type() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      throw Error(where_, "holds a structured array", "save each field as an array of its own");
    }
    const std::string_view type = quoted();
    if (type.size() < 2) fail(fmt::format("has the unknown type \"{}\"", type));
    const char order = type[0];
    header_.kind = type[1];
    if (header_.kind == 'O' || type == "O") {
      throw Error(where_, "holds pickled Python objects, which are never executed here",
                  "save it with a numeric dtype");
    }
    const std::optional<std::int64_t> bytes = parse_int(type.substr(2));
    if ((order != '<' && order != '>' && order != '|' && order != '=') || !bytes || *bytes < 0 || type[2] == '+') {
      fail(fmt::format("has the unknown type \"{}\"", type));
    }
    header_.big_endian = order == '>';
    header_.item_bytes = static_cast<std::size_t>(*bytes);
    if (!known(header_)) {
      throw Error(where_, fmt::format("holds elements of type \"{}\"", type),
                  "bool, integers, float16, float32, float64 and text are read: convert it with astype");
    }
    if (header_.kind == 'U') header_.item_bytes = checked_mul<std::size_t>(header_.item_bytes, 4, where_);
    return true;
  }
  static bool known(const NpyHeader& h) {
    const std::size_t n = h.item_bytes;
    switch (h.kind) {
      case 'b':
        return n == 1;
      case 'i':
      case 'u':
        return n == 1 || n == 2 || n == 4 || n == 8;
      case 'f':
        return n == 2 || n == 4 || n == 8;
      case 'S':
      case 'U':
        return true;
      default:
        return false;
    }
  }

  bool parse_order() {
    skip_space();
    header_.fortran_order = text_.substr(at_).starts_with("True");
    if (!header_.fortran_order && !text_.substr(at_).starts_with("False")) fail("has no truth value as fortran_order");
    at_ += header_.fortran_order ? 4 : 5;
    return true;
  }

  bool parse_shape() {
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::uint64_t extent = 0;
      const auto [end, status] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), extent);
      if (status != std::errc()) fail(fmt::format("has no valid size at its byte {}", at_));
      at_ = static_cast<std::size_t>(end - text_.data());
      accept('L');  // Python 2 wrote long integers so
      header_.shape.push_back(checked_cast<std::size_t>(extent, where_));
      if (header_.shape.size() > kMaxRank) fail(fmt::format("has more than {} dimensions", kMaxRank));
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return true;
  }

  std::string_view text_, where_;
  std::size_t at_ = 0;
  NpyHeader header_;
  bool has_type_ = false, has_order_ = false, has_shape_ = false;
};

template <class Word>
void reverse_bytes(std::byte* data, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) std::reverse(data + i * sizeof(Word), data + (i + 1) * sizeof(Word));
}

void to_native_order(std::byte* data, std::size_t count, std::size_t item_bytes) {
  if (item_bytes == 2)
    reverse_bytes<std::uint16_t>(data, count);
  else if (item_bytes == 4)
    reverse_bytes<std::uint32_t>(data, count);
  else if (item_bytes == 8)
    reverse_bytes<std::uint64_t>(data, count);
}

// Stored elements in Fortran order -> the same in C order. Walks the output; the input index is kept per dimension.
std::vector<std::byte> c_order(const NpyHeader& header, std::span<const std::byte> stored) {
  const std::size_t rank = header.shape.size();
  std::vector<std::size_t> stride(rank), index(rank, 0);
  std::size_t count = 1;
  for (std::size_t d = 0; d < rank; ++d) {
    stride[d] = count;
    count *= header.shape[d];
  }
  std::vector<std::byte> out(stored.size());
  std::size_t from = 0;
  for (std::size_t to = 0; to < count; ++to) {
    std::memcpy(out.data() + to * header.item_bytes, stored.data() + from * header.item_bytes, header.item_bytes);
    for (std::size_t d = rank; d-- > 0;) {
      from += stride[d];
      if (++index[d] < header.shape[d]) break;
      from -= stride[d] * header.shape[d];
      index[d] = 0;
    }
  }
  return out;
}

template <class From>
Tensor widened(Shape shape, std::span<const std::byte> bytes, std::string_view where) {
  Tensor out(DType::i64, std::move(shape));
  const std::span<std::int64_t> values = out.as<std::int64_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    if constexpr (sizeof(From) == 8) {
      if (value > static_cast<From>(std::numeric_limits<std::int64_t>::max())) {
        throw Error(where, fmt::format("element {} is {}, beyond what int64 holds", i, value));
      }
    }
    values[i] = static_cast<std::int64_t>(value);
  }
  return out;
}

// The header of a whole file, whose elements are there to the byte.
NpyHeader whole_header(std::span<const std::byte> file, std::string_view where) {
  NpyHeader header = parse_npy_header(file, where);
  const std::size_t have = file.size() - header.data_offset;
  if (have < header.data_bytes) {
    throw Error(where, fmt::format("ends after {} of {} bytes", have, header.data_bytes), "it is cut: copy it again");
  }
  if (have > header.data_bytes) {
    throw Error(
        where,
        fmt::format("has {} bytes behind its {} elements of data", have - header.data_bytes, to_string(header.shape)),
        "save each array in a file of its own");
  }
  return header;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;  // the replacement character
  if (code < 0x80) {
    out += static_cast<char>(code);
    return;
  }
  const int tail = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  out += static_cast<char>((0xFF00u >> (tail + 1) & 0xFFu) | code >> (6 * tail));
  for (int i = tail - 1; i >= 0; --i) out += static_cast<char>(0x80u | (code >> (6 * i) & 0x3Fu));
}

std::string text_item(const NpyHeader& header, std::span<const std::byte> item) {
  std::string text;
  if (header.kind == 'S') {
    text.assign(reinterpret_cast<const char*>(item.data()), item.size());
    text.erase(text.find_last_not_of('\0') + 1);
    return text;
  }
  std::vector<std::uint32_t> codes(item.size() / 4);
  for (std::size_t i = 0; i < codes.size(); ++i) {
    for (std::size_t b = 0; b < 4; ++b) {
      const std::size_t shift = 8 * (header.big_endian ? 3 - b : b);
      codes[i] |= std::to_integer<std::uint32_t>(item[4 * i + b]) << shift;
    }
  }
  while (!codes.empty() && codes.back() == 0) codes.pop_back();
  for (const std::uint32_t code : codes) append_utf8(text, code);
  return text;
}

}  // namespace

DType NpyHeader::dtype() const {
  switch (kind) {
    case 'b':
      return DType::boolean;
    case 'f':
      return item_bytes == 2 ? DType::f16 : item_bytes == 4 ? DType::f32 : DType::f64;
    case 'i':
      return item_bytes == 1 ? DType::i8 : item_bytes == 2 ? DType::i16 : item_bytes == 4 ? DType::i32 : DType::i64;
    case 'u':
      return item_bytes == 1 ? DType::u8 : item_bytes == 2 ? DType::u16 : DType::i64;
    default:
      throw std::logic_error("NpyHeader: text has no numeric type");
  }
}

std::size_t NpyHeader::row_bytes() const {
  if (shape.empty() || shape[0] == 0) return 0;
  return data_bytes / shape[0];
}

NpyHeader parse_npy_header(std::span<const std::byte> head, std::string_view where) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (!text.starts_with(kMagic)) throw Error(where, "is not a .npy file", "save it with numpy.save");
  const auto cut = [&] { return Error(where, fmt::format("ends after {} bytes, within its header", head.size())); };
  if (head.size() < 10) throw cut();
  const auto byte = [&](std::size_t i) { return std::to_integer<std::size_t>(head[i]); };
  const std::size_t major = byte(6);
  if (major < 1 || major > 3) {
    throw Error(where, fmt::format("has .npy version {}, versions 1 to 3 are read", major), "save it with numpy.save");
  }
  std::size_t length = byte(8) | byte(9) << 8, offset = 10;
  if (major > 1) {
    if (head.size() < 12) throw cut();
    length |= byte(10) << 16 | byte(11) << 24;
    offset = 12;
  }
  if (length > kMaxNpyHeader - offset) {
    throw Error(where, fmt::format("declares a header of {} bytes, at most {} are read", length, kMaxNpyHeader));
  }
  if (head.size() < offset + length) throw cut();
  NpyHeader header = HeaderText(text.substr(offset, length), where).parse();
  header.data_offset = offset + length;
  header.data_bytes = checked_mul(element_count(header.shape), header.item_bytes, where);
  return header;
}

Tensor npy_elements(const NpyHeader& header, Shape shape, std::span<const std::byte> stored, std::string_view where,
                    std::shared_ptr<const void> keep_alive) {
  const std::size_t count = element_count(shape);
  if (checked_mul(count, header.item_bytes, where) != stored.size()) {
    throw std::logic_error("npy_elements: the bytes do not fit the shape");
  }
  const DType dtype = header.dtype();
  const bool swap = header.big_endian && header.item_bytes > 1;
  const bool widen = header.kind == 'u' && header.item_bytes >= 4;
  const bool check = dtype == DType::boolean;  // a bool that is neither 0 nor 1 would be undefined behaviour
  const bool aligned = reinterpret_cast<std::uintptr_t>(stored.data()) % header.item_bytes == 0;
  if (check && std::any_of(stored.begin(), stored.end(), [](std::byte b) { return b > std::byte{1}; })) {
    throw Error(where, "holds a truth value that is neither 0 nor 1");
  }
  if (!swap && !widen && aligned && keep_alive) {
    return Tensor::borrowed(dtype, std::move(shape), stored.data(), std::move(keep_alive));
  }
  std::vector<std::byte> swapped;
  if (swap) {
    swapped.assign(stored.begin(), stored.end());
    to_native_order(swapped.data(), count, header.item_bytes);
    stored = swapped;
  }
  if (widen && header.item_bytes == 4) return widened<std::uint32_t>(std::move(shape), stored, where);
  if (widen) return widened<std::uint64_t>(std::move(shape), stored, where);
  Tensor out(dtype, std::move(shape));
  if (!stored.empty()) std::memcpy(out.mutable_data(), stored.data(), stored.size());
  return out;
}

Tensor read_npy(std::span<const std::byte> file, std::string_view where, std::shared_ptr<const void> keep_alive) {
  const NpyHeader header = whole_header(file, where);
  if (header.is_text()) throw Error(where, "holds text where numbers are needed");
  const std::span<const std::byte> stored = file.subspan(header.data_offset);
  if (!header.fortran_order || header.shape.size() < 2) {
    return npy_elements(header, header.shape, stored, where, std::move(keep_alive));
  }
  return npy_elements(header, header.shape, c_order(header, stored), where);
}

std::vector<std::string> npy_texts(const NpyHeader& header, std::span<const std::byte> stored, std::string_view where) {
  if (!header.is_text()) throw Error(where, "holds numbers where text is needed");
  std::vector<std::byte> ordered;
  if (header.fortran_order && header.shape.size() > 1) stored = ordered = c_order(header, stored);
  // Text of no width takes no bytes, so the file would not bound the count: cap it by what a list may hold.
  const std::size_t count = element_count(header.shape);
  if (header.item_bytes == 0 && count > kMaxNpyHeader) throw Error(where, fmt::format("holds {} empty texts", count));
  std::vector<std::string> out;
  out.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(text_item(header, stored.subspan(i * header.item_bytes, header.item_bytes)));
  }
  return out;
}

std::vector<std::string> read_npy_text(std::span<const std::byte> file, std::string_view where) {
  const NpyHeader header = whole_header(file, where);
  return npy_texts(header, file.subspan(header.data_offset), where);
}

}  // namespace mt
