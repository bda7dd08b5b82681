#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/error.h"
#include "base/text.h"
#include "decode/line_scanner.h"
#include "decode/point_cloud_formats.h"
#include "decode/scalar_type.h"

namespace mt {

namespace {

constexpr std::size_t kMostProperties = 4096, kMostElements = 256;

ScalarType type_named(std::string_view name, const std::string& where) {
  static constexpr std::pair<std::string_view, ScalarType> kTypes[] = {
      {"char", {'i', 1}},  {"int8", {'i', 1}},    {"uchar", {'u', 1}},  {"uint8", {'u', 1}},
      {"short", {'i', 2}}, {"int16", {'i', 2}},   {"ushort", {'u', 2}}, {"uint16", {'u', 2}},
      {"int", {'i', 4}},   {"int32", {'i', 4}},   {"uint", {'u', 4}},   {"uint32", {'u', 4}},
      {"float", {'f', 4}}, {"float32", {'f', 4}}, {"double", {'f', 8}}, {"float64", {'f', 8}}};
  for (const auto& [known, type] : kTypes) {
    if (known == name) return type;
  }
  throw Error(where, fmt::format("\"{}\" is no type of PLY", printable(name.substr(0, 40))));
}

struct Property {
  std::string name;
  ScalarType type;
  std::optional<ScalarType> count;  // of a list: the type of its length
};

struct Element {
  std::string name;
  std::uint64_t count = 0;
  std::vector<Property> properties;

  bool has_lists() const {
    for (const Property& property : properties) {
      if (property.count) return true;
    }
    return false;
  }
  // The fewest bytes of one, in a binary file.
  std::uint64_t least_bytes() const {
    std::uint64_t sum = 0;
    for (const Property& property : properties) sum += property.count ? property.count->bytes : property.type.bytes;
    return sum;
  }
};

enum class Encoding { ascii, little, big };

struct Header {
  Encoding encoding = Encoding::ascii;
  std::vector<Element> elements;
  std::size_t body = 0;  // where the elements start
};

std::string_view word_of(LineScanner& lines) {
  const auto word = lines.word();
  if (!word) throw Error(lines.where(), "ends too early");
  return *word;
}

void read_property(LineScanner& lines, Header& header) {
  if (header.elements.empty()) throw Error(lines.where(), "is a property of no element");
  auto& properties = header.elements.back().properties;
  if (properties.size() == kMostProperties) throw Error(lines.where(), "is one property too many");
  Property property;
  std::string_view type = word_of(lines);
  if (type == "list") {
    property.count = type_named(word_of(lines), lines.where());
    if (property.count->kind == 'f') throw Error(lines.where(), "counts the entries of a list with a fraction");
    type = word_of(lines);
  }
  property.type = type_named(type, lines.where());
  property.name = word_of(lines);
  properties.push_back(std::move(property));
}

Header read_header(std::string_view file, const std::string& where) {
  LineScanner lines(file, where, '\0');
  lines.next_line();  // "ply"
  Header header;
  bool has_format = false;
  while (lines.next_line()) {
    const std::string_view word = word_of(lines);
    if (word == "end_header") {
      if (!has_format) throw Error(where, "has no line \"format\" in its header");
      header.body = lines.position();
      return header;
    }
    if (word == "format") {
      const std::string_view encoding = word_of(lines);
      if (encoding == "binary_little_endian")
        header.encoding = Encoding::little;
      else if (encoding == "binary_big_endian")
        header.encoding = Encoding::big;
      else if (encoding != "ascii")
        throw Error(lines.where(), fmt::format("\"{}\" is no format of PLY", printable(encoding.substr(0, 40))));
      has_format = true;
    } else if (word == "element") {
      if (header.elements.size() == kMostElements) throw Error(lines.where(), "is one element too many");
      Element element;
      element.name = word_of(lines);
      element.count = lines.count();
      header.elements.push_back(std::move(element));
    } else if (word == "property") {
      read_property(lines, header);
    } else if (word != "comment" && word != "obj_info") {
      throw Error(lines.where(), fmt::format("\"{}\" is nothing that a header has", printable(word.substr(0, 40))));
    }
  }
  throw Error(where, "ends within its header");
}

// One element's values, a list's one after the other.
struct Record {
  std::vector<double> scalars;             // of the properties that are no lists; NaN in the lists' places
  std::vector<std::vector<double>> lists;  // likewise
};

// Goes through the elements in their order, one record at a time.
class Body {
 public:
  Body(std::string_view file, const Header& header, std::string where)
      : where_(std::move(where)),
        encoding_(header.encoding),
        lines_(file.substr(header.body), where_ + ": behind the header", '\0'),
        bytes_(std::as_bytes(std::span(file)), where_, header.body) {}

  std::uint64_t bytes_left() const {
    return encoding_ == Encoding::ascii ? lines_.bytes_left() + 1 : bytes_.remaining();  // no last line end
  }

  void read(const Element& element, Record& record) {
    record.scalars.assign(element.properties.size(), std::numeric_limits<double>::quiet_NaN());
    record.lists.resize(element.properties.size());
    if (encoding_ == Encoding::ascii && !lines_.next_line()) throw Error(where_, "ends before all that it declares");
    for (std::size_t i = 0; i < element.properties.size(); ++i) {
      const Property& property = element.properties[i];
      if (!property.count) {
        record.scalars[i] = value(property.type);
        continue;
      }
      const std::uint64_t length = list_length(property);
      auto& list = record.lists[i];
      list.clear();
      for (std::uint64_t k = 0; k < length; ++k) list.push_back(value(property.type));
    }
  }

  // The same without keeping anything.
  void skip(const Element& element) {
    if (encoding_ == Encoding::ascii) {
      for (std::uint64_t i = 0; i < element.count; ++i) {
        if (!lines_.next_line()) throw Error(where_, "ends before all that it declares");
      }
    } else if (!element.has_lists()) {
      bytes_.skip(element.least_bytes() * element.count);  // checked against the bytes that follow
    } else {
      Record record;
      for (std::uint64_t i = 0; i < element.count; ++i) read(element, record);
    }
  }

 private:
  double value(const ScalarType& type) {
    if (encoding_ == Encoding::ascii) return lines_.number();
    return read_scalar(type, bytes_.take_bytes(type.bytes).data(), encoding_ == Encoding::big);
  }
  // A list's declared length. The entries of a text are met one by one up to their line's end; bytes must be there.
  std::uint64_t list_length(const Property& property) {
    const double length = value(*property.count);
    const double most = encoding_ == Encoding::ascii ? 9e15 : static_cast<double>(bytes_left() / property.type.bytes);
    if (!(length >= 0 && length <= most)) {
      throw Error(where_, fmt::format("declares a list of {} entries, {} bytes follow", length, bytes_left()));
    }
    return static_cast<std::uint64_t>(length);
  }

  std::string where_;
  Encoding encoding_;
  LineScanner lines_;
  ByteReader bytes_;
};

void read_vertices(Body& body, const Element& element, const std::string& where, PointCloud& cloud) {
  std::vector<std::string> names;
  std::vector<std::size_t> properties;  // of the names: scalars only
  for (std::size_t i = 0; i < element.properties.size(); ++i) {
    if (element.properties[i].count) continue;
    names.push_back(element.properties[i].name);
    properties.push_back(i);
  }
  const ColumnPlaces places = place_columns(names, where);
  for (const std::size_t other : places.others) cloud.columns.push_back(names[other]);
  cloud.points.reserve(element.count);
  cloud.attributes.reserve(element.count * cloud.columns.size());
  Record record;
  for (std::uint64_t i = 0; i < element.count; ++i) {
    body.read(element, record);
    auto& point = cloud.points.emplace_back();
    for (std::size_t axis = 0; axis < 3; ++axis) point[axis] = record.scalars[properties[places.axes[axis]]];
    for (const std::size_t other : places.others) {
      cloud.attributes.push_back(static_cast<float>(record.scalars[properties[other]]));
    }
  }
}

void read_faces(Body& body, const Element& element, const std::string& where, const PointCloudLimits& limits,
                PointCloud& cloud) {
  std::size_t corners = element.properties.size();
  for (std::size_t i = 0; i < element.properties.size(); ++i) {
    const Property& property = element.properties[i];
    if (property.count && (property.name == "vertex_indices" || property.name == "vertex_index")) corners = i;
  }
  if (corners == element.properties.size()) return body.skip(element);
  Record record;
  std::vector<std::uint64_t> polygon;
  for (std::uint64_t i = 0; i < element.count; ++i) {
    body.read(element, record);
    polygon.clear();
    for (const double corner : record.lists[corners]) {
      if (!(corner >= 0) || corner != std::floor(corner) || corner > 9e15) {
        throw Error(where, fmt::format("face {} names the corner {}", i, corner));
      }
      polygon.push_back(static_cast<std::uint64_t>(corner));
    }
    add_polygon(cloud, polygon, fmt::format("{}: face {}", where, i), limits);
  }
}

}  // namespace

// Greg Turk's Stanford polygon format 1.0: a header that declares elements, then these.
PointCloud decode_ply(std::string_view file, const std::string& where, const PointCloudLimits& limits) {
  const Header header = read_header(file, where);
  Body body(file, header, where);
  PointCloud cloud;
  bool has_vertices = false;
  for (const Element& element : header.elements) {
    if (element.properties.empty()) continue;  // takes no bytes, whatever it counts
    const std::uint64_t least =
        header.encoding == Encoding::ascii ? 2 * element.properties.size() : element.least_bytes();
    require_count(element.count, least, body.bytes_left(), limits.max_points, where, element.name + " elements");
    if (element.name == "vertex" && !has_vertices) {
      has_vertices = true;
      read_vertices(body, element, where, cloud);
    } else if (element.name == "face" && has_vertices) {
      read_faces(body, element, where, limits, cloud);
    } else {
      body.skip(element);
    }
  }
  if (!has_vertices) throw Error(where, "declares no vertices");
  return cloud;
}

}  // namespace mt
