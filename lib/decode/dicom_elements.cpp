#include "decode/dicom_elements.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/text.h"

namespace mt::formats {

namespace {

constexpr std::uint32_t kUndefined = 0xFFFFFFFF;  // the length of what ends with a delimiter
constexpr std::uint32_t kItem = dicom_tag(0xFFFE, 0xE000), kItemEnd = dicom_tag(0xFFFE, 0xE00D),
                        kSequenceEnd = dicom_tag(0xFFFE, 0xE0DD);
constexpr std::uint32_t kTransferSyntax = dicom_tag(0x0002, 0x0010), kPixelData = dicom_tag(0x7FE0, 0x0010);
constexpr std::size_t kPreamble = 132, kMaxDepth = 64;

struct Element {
  std::uint32_t tag = 0, length = 0;
  bool unknown = false;  // value representation UN: if its length is undefined, what it holds is implicit
};

class ElementReader {
 public:
  ElementReader(std::span<const std::byte> file, std::string_view name) : reader_(file, std::string(name), kPreamble) {}

  DicomElements read() {
    read_meta();
    const std::string& syntax = found_.transfer_syntax;
    if (syntax == "1.2.840.10008.1.2.2") throw unread("in big-endian order");
    if (syntax == "1.2.840.10008.1.2.1.99") throw unread("that is deflated as a whole");
    const bool implicit = syntax == "1.2.840.10008.1.2";
    while (reader_.remaining() > 0) {
      const Element element = take_header(implicit);
      if (element.tag == kPixelData) {
        read_pixels(element);
        return std::move(found_);
      }
      if (element.length == kUndefined) {
        found_.values.emplace(element.tag, std::span<const std::byte>());
        skip_sequence(implicit || element.unknown);
      } else {
        found_.values.emplace(element.tag, reader_.take_bytes(element.length));
      }
    }
    throw damaged("holds no pixel data");
  }

 private:
  Error damaged(std::string_view what) const {
    return Error(reader_.where(), fmt::format("the DICOM file {}", what), "copy it again, or leave it out");
  }
  Error unread(std::string_view what) const {
    return Error(reader_.where(), fmt::format("is a DICOM file {}, which is not read", what),
                 "convert it with dcmconv");
  }

  Element take_header(bool implicit) {
    Element element;
    const std::uint32_t group = reader_.take<std::uint16_t>();
    element.tag = dicom_tag(group, reader_.take<std::uint16_t>());
    if (implicit || group == 0xFFFE) {
      element.length = reader_.take<std::uint32_t>();
      return element;
    }
    const std::string_view kind = reader_.take_text(2);
    constexpr std::string_view kLong = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
    element.unknown = kind == "UN";
    const std::size_t at = kLong.find(kind);
    if (at != std::string_view::npos && at % 3 == 0) {
      reader_.skip(2);
      element.length = reader_.take<std::uint32_t>();
    } else {
      element.length = reader_.take<std::uint16_t>();
    }
    return element;
  }

  // Group 0002 is always explicit.
  void read_meta() {
    while (reader_.remaining() >= 2) {
      const std::uint64_t start = reader_.position();
      const bool meta = reader_.take<std::uint16_t>() == 2;
      reader_.seek(start);
      if (!meta) break;
      const Element element = take_header(false);
      if (element.length == kUndefined) throw damaged("has a header without length");
      const std::string_view value = reader_.take_text(element.length);
      if (element.tag == kTransferSyntax) found_.transfer_syntax = trimmed(value.substr(0, value.find('\0')));
    }
    if (found_.transfer_syntax.empty()) throw damaged("does not name its transfer syntax");
  }

  // Sequences may nest without bound, so the open ones are counted, not followed by recursion.
  void skip_sequence(bool implicit) {
    struct Open {
      bool item, implicit;
    };
    std::vector<Open> open = {{false, implicit}};
    while (!open.empty()) {
      if (open.size() > kMaxDepth) {
        throw damaged(fmt::format("nests sequences deeper than {}", kMaxDepth));
      }
      const Open top = open.back();
      const Element element = take_header(top.implicit);
      if (element.tag == kSequenceEnd || element.tag == kItemEnd) {
        if (top.item != (element.tag == kItemEnd)) throw damaged("closes what is not open");
        open.pop_back();
      } else if (element.length != kUndefined) {
        reader_.skip(element.length);
      } else {
        open.push_back({!top.item, top.implicit || element.unknown});
      }
    }
  }

  void read_pixels(const Element& element) {
    if (element.length != kUndefined) {
      found_.pixels = reader_.take_bytes(element.length);
      return;
    }
    for (bool first = true;; first = false) {
      const Element item = take_header(true);
      if (item.tag == kSequenceEnd) return;
      if (item.tag != kItem || item.length == kUndefined) throw damaged("has damaged pixel data");
      const std::span<const std::byte> data = reader_.take_bytes(item.length);
      if (!first) {
        found_.fragments.push_back(data);
        continue;
      }
      found_.frame_offsets.resize(data.size() / 4);
      if (data.size() >= 4) std::memcpy(found_.frame_offsets.data(), data.data(), found_.frame_offsets.size() * 4);
    }
  }

  ByteReader reader_;
  DicomElements found_;
};

}  // namespace

std::optional<std::uint16_t> DicomElements::whole(std::uint32_t tag) const {
  const auto found = values.find(tag);
  if (found == values.end() || found->second.size() < 2) return std::nullopt;
  std::uint16_t value;
  std::memcpy(&value, found->second.data(), 2);
  return value;
}

std::string DicomElements::text(std::uint32_t tag) const {
  const auto found = values.find(tag);
  if (found == values.end()) return {};
  const std::string_view value(reinterpret_cast<const char*>(found->second.data()), found->second.size());
  return std::string(trimmed(value.substr(0, value.find('\0'))));
}

std::optional<double> DicomElements::decimal(std::uint32_t tag) const {
  const std::string value = text(tag);
  return parse_double(trimmed(std::string_view(value).substr(0, value.find('\\'))));
}

DicomElements read_dicom_elements(std::span<const std::byte> file, std::string_view name) {
  return ElementReader(file, name).read();
}

}  // namespace mt::formats
