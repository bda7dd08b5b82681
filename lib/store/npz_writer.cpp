#include "store/npz_writer.h"

#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/checked.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

// Little-endian numbers of zip headers.
class Header {
 public:
  template <class T>
  Header& put(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes_.push_back(static_cast<char>(value >> (8 * i)));
    return *this;
  }
  Header& put_text(std::string_view text) {
    bytes_ += text;
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// APPNOTE.TXT 6.3.10. Times are the format's zero (1980-01-01), so that equal arrays give equal bytes.
constexpr std::uint32_t kNoSize = 0xFFFFFFFF;
constexpr std::uint16_t kVersion = 45, kUtf8Names = 1 << 11, kDate = (1 << 5) | 1, kZip64 = 1, kUnix = 3 << 8;

// numpy.lib.format 1.0; length is fixed beforehand, since the number of rows is put in later.
std::string npy_header(std::string_view descriptor, const Shape& shape, std::size_t length) {
  std::string dimensions = fmt::format("{}", fmt::join(shape, ", "));
  if (shape.size() == 1) dimensions += ",";
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descriptor, dimensions);
  constexpr std::size_t kPreamble = 10;
  if (text.size() + kPreamble + 1 > length) throw std::logic_error("npy_header: too long");
  text.append(length - kPreamble - 1 - text.size(), ' ');
  text += '\n';
  return Header()
      .put_text("\x93NUMPY")
      .put<std::uint8_t>(1)
      .put<std::uint8_t>(0)
      .put(static_cast<std::uint16_t>(text.size()))
      .put_text(text)
      .bytes();
}

Shape with_rows(std::size_t rows, const Shape& row_shape) {
  Shape shape{rows};
  shape.insert(shape.end(), row_shape.begin(), row_shape.end());
  return shape;
}

constexpr std::size_t kHeaderBytes = 192;  // room for four dimensions of twenty digits; a multiple of 64

char32_t next_character(std::string_view text, std::size_t& i) {
  const auto first = static_cast<unsigned char>(text[i++]);
  if (first < 0x80) return first;
  const int tail = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
  char32_t value = first & (0x3FU >> tail);
  for (int k = 0; k < tail; ++k) value = (value << 6) | (static_cast<unsigned char>(text[i++]) & 0x3FU);
  return value;
}

}  // namespace

std::string npy_descriptor(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "<f4";
    case DType::f64:
      return "<f8";
    case DType::f16:
      return "<f2";
    case DType::i64:
      return "<i8";
    case DType::i32:
      return "<i4";
    case DType::i16:
      return "<i2";
    case DType::u16:
      return "<u2";
    case DType::i8:
      return "|i1";
    case DType::u8:
      return "|u1";
    case DType::boolean:
      return "|b1";
    case DType::bf16:
      break;
  }
  throw Error("", "NumPy has no bfloat16", "convert to float32 first");
}

struct NpzWriter::Open {
  Entry entry;
  std::string descriptor;
  Shape row_shape;
  std::size_t row_bytes = 0;
  bool scalar = false;
  std::uint64_t data_bytes = 0;
  std::uint32_t data_crc = 0;
};

NpzWriter::NpzWriter(const std::filesystem::path& file, std::string name)
    : name_(std::move(name)), file_(std::fopen(file.c_str(), "wb")) {
  if (!file_) throw system_error(name_, "open", errno);
}

NpzWriter::~NpzWriter() = default;

void NpzWriter::write(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    throw system_error(name_, "write", errno == 0 ? EIO : errno);
  }
  position_ += bytes.size();
}

void NpzWriter::write(std::string_view bytes) { write(std::as_bytes(std::span(bytes.data(), bytes.size()))); }

void NpzWriter::put_header(const Entry& entry) {
  Header header;
  header.put<std::uint32_t>(0x04034B50).put(kVersion).put(kUtf8Names).put<std::uint16_t>(0);  // stored
  header.put<std::uint16_t>(0).put(kDate).put(entry.crc).put(kNoSize).put(kNoSize);
  header.put(static_cast<std::uint16_t>(entry.name.size())).put<std::uint16_t>(20).put_text(entry.name);
  header.put(kZip64).put<std::uint16_t>(16).put(entry.size).put(entry.size);
  write(header.bytes());
}

void NpzWriter::begin(const std::string& array, std::string descriptor, std::size_t item_bytes, Shape row_shape) {
  if (open_) throw std::logic_error("NpzWriter: an array is open");
  const std::string entry_name = array + ".npy";
  for (const Entry& other : entries_) {
    if (other.name == entry_name) throw Error(name_, fmt::format("would hold the array \"{}\" twice", array));
  }
  open_ = std::make_unique<Open>();
  open_->entry.name = entry_name;
  open_->entry.offset = position_;
  open_->descriptor = std::move(descriptor);
  open_->row_bytes = checked_mul(element_count(row_shape), item_bytes, name_);
  open_->row_shape = std::move(row_shape);
  put_header(open_->entry);
  write(std::string(kHeaderBytes, ' '));
}

void NpzWriter::append(std::span<const std::byte> rows) {
  if (!open_ || (open_->row_bytes > 0 && rows.size() % open_->row_bytes != 0)) {
    throw std::logic_error("NpzWriter: not whole rows of an open array");
  }
  open_->data_crc = crc32_of(rows, open_->data_crc);
  open_->data_bytes += rows.size();
  write(rows);
}

void NpzWriter::end() {
  if (!open_) throw std::logic_error("NpzWriter: no array is open");
  Open& open = *open_;
  const std::size_t rows = open.row_bytes == 0 ? 0 : open.data_bytes / open.row_bytes;
  const std::string header =
      npy_header(open.descriptor, open.scalar ? open.row_shape : with_rows(rows, open.row_shape), kHeaderBytes);
  open.entry.size = kHeaderBytes + open.data_bytes;
  const std::uint32_t header_crc = crc32_of(std::as_bytes(std::span(header.data(), header.size())));
  open.entry.crc =
      static_cast<std::uint32_t>(crc32_combine(header_crc, open.data_crc, static_cast<z_off_t>(open.data_bytes)));

  const std::uint64_t behind = position_;
  if (::fseeko(file_.get(), static_cast<off_t>(open.entry.offset), SEEK_SET) != 0)
    throw system_error(name_, "seek", errno);
  put_header(open.entry);
  write(header);
  if (::fseeko(file_.get(), static_cast<off_t>(behind), SEEK_SET) != 0) throw system_error(name_, "seek", errno);
  position_ = behind;
  entries_.push_back(std::move(open.entry));
  open_.reset();
}

void NpzWriter::add(const std::string& array, const Tensor& values) {
  const Shape& shape = values.shape();
  begin(array, npy_descriptor(values.dtype()), size_of(values.dtype()),
        shape.empty() ? Shape{} : Shape(shape.begin() + 1, shape.end()));
  open_->scalar = shape.empty();
  append(values.bytes());
  end();
}

void NpzWriter::add_text(const std::string& array, std::span<const std::string> values) {
  std::size_t longest = 1;
  for (const std::string& value : values) {
    if (!is_utf8(value)) throw Error(name_, fmt::format("\"{}\" in {} is not UTF-8", value, array));
    longest = std::max(longest, utf8_characters(value));
  }
  begin(array, fmt::format("<U{}", longest), 4 * longest, {});
  std::vector<std::byte> bytes;
  for (const std::string& value : values) {
    append_utf32(value, longest, bytes);
    append(bytes);
    bytes.clear();
  }
  end();
}

void NpzWriter::add_scalar_text(const std::string& array, std::string_view value) {
  if (!is_utf8(value)) throw Error(name_, fmt::format("{} is not UTF-8", array));
  const std::size_t characters = std::max<std::size_t>(1, utf8_characters(value));
  begin(array, fmt::format("<U{}", characters), 4 * characters, {});
  open_->scalar = true;
  std::vector<std::byte> bytes;
  append_utf32(value, characters, bytes);
  append(bytes);
  end();
}

void NpzWriter::finish() {
  if (open_) throw std::logic_error("NpzWriter: an array is open");
  const std::uint64_t start = position_;
  for (const Entry& entry : entries_) {
    Header header;
    header.put<std::uint32_t>(0x02014B50).put<std::uint16_t>(kUnix | kVersion).put(kVersion).put(kUtf8Names);
    header.put<std::uint16_t>(0).put<std::uint16_t>(0).put(kDate).put(entry.crc).put(kNoSize).put(kNoSize);
    header.put(static_cast<std::uint16_t>(entry.name.size())).put<std::uint16_t>(28);
    header.put<std::uint16_t>(0)
        .put<std::uint16_t>(0)
        .put<std::uint16_t>(0)
        .put<std::uint32_t>(0x81A40000U)
        .put(kNoSize);
    header.put_text(entry.name);
    header.put(kZip64).put<std::uint16_t>(24).put(entry.size).put(entry.size).put(entry.offset);
    write(header.bytes());
  }
  const std::uint64_t directory_end = position_;
  const auto count = static_cast<std::uint64_t>(entries_.size());
  Header end;
  end.put<std::uint32_t>(0x06064B50).put<std::uint64_t>(44).put<std::uint16_t>(kUnix | kVersion).put(kVersion);
  end.put<std::uint32_t>(0).put<std::uint32_t>(0).put(count).put(count).put(directory_end - start).put(start);
  end.put<std::uint32_t>(0x07064B50).put<std::uint32_t>(0).put(directory_end).put<std::uint32_t>(1);
  end.put<std::uint32_t>(0x06054B50).put<std::uint16_t>(0).put<std::uint16_t>(0);
  end.put<std::uint16_t>(0xFFFF).put<std::uint16_t>(0xFFFF).put(kNoSize).put(kNoSize).put<std::uint16_t>(0);
  write(end.bytes());
  if (std::fclose(file_.release()) != 0) throw system_error(name_, "close", errno);
}

std::size_t utf8_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

void append_utf32(std::string_view text, std::size_t characters, std::vector<std::byte>& out) {
  const std::size_t start = out.size();
  for (std::size_t i = 0; i < text.size();) {
    const char32_t character = next_character(text, i);
    for (int k = 0; k < 4; ++k) out.push_back(static_cast<std::byte>(character >> (8 * k)));
  }
  if (out.size() - start > 4 * characters) throw std::logic_error("append_utf32: longer than its field");
  out.resize(start + 4 * characters);
}

}  // namespace mt
