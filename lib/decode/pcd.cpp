#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "decode/line_scanner.h"
#include "decode/lzf.h"
#include "decode/point_cloud_formats.h"
#include "decode/scalar_type.h"

namespace mt {

namespace {

constexpr std::uint64_t kMostValues = 4096;  // of one point

struct Field {
  std::string name;
  ScalarType type;
  std::uint64_t count = 1;

  std::uint64_t bytes() const { return type.bytes * count; }
  // Colours travel as the bits of one number: 0x00rrggbb.
  bool packs_colour() const { return (name == "rgb" || name == "rgba") && type.bytes == 4 && count == 1; }
};

enum class Storage { ascii, binary, compressed };

struct Header {
  std::vector<Field> fields;
  std::uint64_t points = 0;
  Storage storage = Storage::ascii;
  std::size_t body = 0;

  std::uint64_t point_bytes() const {
    std::uint64_t sum = 0;
    for (const Field& field : fields) sum += field.bytes();
    return sum;
  }
  std::uint64_t values() const {
    std::uint64_t sum = 0;
    for (const Field& field : fields) sum += field.count;
    return sum;
  }
};

// One number or letter for each field, as SIZE, TYPE and COUNT have them.
template <class Take>
void for_each_field(LineScanner& lines, Header& header, const Take& take) {
  for (Field& field : header.fields) {
    const auto word = lines.word();
    if (!word) throw Error(lines.where(), fmt::format("has fewer entries than the {} fields", header.fields.size()));
    take(field, *word);
  }
  if (!lines.at_end())
    throw Error(lines.where(), fmt::format("has more entries than the {} fields", header.fields.size()));
}

std::uint64_t whole(std::string_view word, std::uint64_t least, std::uint64_t most, const std::string& where) {
  const auto value = parse_int(word);
  if (!value || *value < static_cast<std::int64_t>(least) || static_cast<std::uint64_t>(*value) > most) {
    throw Error(where, fmt::format("\"{}\" is not a number from {} to {}", printable(word.substr(0, 40)), least, most));
  }
  return static_cast<std::uint64_t>(*value);
}

Storage storage_named(std::string_view name, const std::string& where) {
  if (name == "ascii") return Storage::ascii;
  if (name == "binary") return Storage::binary;
  if (name == "binary_compressed") return Storage::compressed;
  throw Error(where,
              fmt::format("DATA \"{}\" is not ascii, binary or binary_compressed", printable(name.substr(0, 40))));
}

void require_sound(const Header& header, const std::string& where) {
  if (header.fields.empty()) throw Error(where, "has no line FIELDS in its header");
  for (const Field& field : header.fields) {
    const std::size_t size = field.type.bytes;
    if ((size != 1 && size != 2 && size != 4 && size != 8) || (field.type.kind == 'f' && size < 4)) {
      throw Error(where, fmt::format("field \"{}\" is of {} bytes", printable(field.name), size));
    }
  }
  if (header.values() > kMostValues)
    throw Error(where, fmt::format("a point has {} values, at most {} are read", header.values(), kMostValues));
}

Header read_header(std::string_view file, const std::string& where) {
  LineScanner lines(file, where);
  Header header;
  std::optional<std::uint64_t> width, height, points;
  constexpr std::uint64_t kMost = std::uint64_t{1} << 40;
  while (lines.next_line()) {
    const std::string_view word = *lines.word();
    if (word == "FIELDS" || word == "COLUMNS") {
      header.fields.clear();
      while (const auto name = lines.word()) {
        if (header.fields.size() == kMostValues) throw Error(lines.where(), "is one field too many");
        header.fields.push_back({std::string(*name), {}, 1});
      }
    } else if (word == "SIZE") {
      for_each_field(lines, header, [&](Field& field, std::string_view entry) {
        field.type.bytes = whole(entry, 1, 8, lines.where());
      });
    } else if (word == "TYPE") {
      for_each_field(lines, header, [&](Field& field, std::string_view entry) {
        if (entry != "I" && entry != "U" && entry != "F") {
          throw Error(lines.where(), fmt::format("\"{}\" is not I, U or F", printable(entry.substr(0, 40))));
        }
        field.type.kind = static_cast<char>(entry[0] - 'A' + 'a');
      });
    } else if (word == "COUNT") {
      for_each_field(lines, header, [&](Field& field, std::string_view entry) {
        field.count = whole(entry, 1, kMostValues, lines.where());
      });
    } else if (word == "WIDTH") {
      width = whole(lines.word().value_or(""), 0, kMost, lines.where());
    } else if (word == "HEIGHT") {
      height = whole(lines.word().value_or(""), 0, kMost, lines.where());
    } else if (word == "POINTS") {
      points = whole(lines.word().value_or(""), 0, kMost, lines.where());
    } else if (word == "DATA") {
      header.storage = storage_named(lines.word().value_or(""), lines.where());
      header.body = lines.position();
      require_sound(header, where);
      if (!points && !width) throw Error(where, "has no line POINTS in its header");
      header.points = points ? *points : checked_mul(*width, height.value_or(1), where);
      if (points && width && checked_mul(*width, height.value_or(1), where) != *points) {
        throw Error(where, fmt::format("declares {} points, but {} x {} of them", *points, *width, height.value_or(1)));
      }
      return header;
    } else if (word != "VERSION" && word != "VIEWPOINT") {
      throw Error(lines.where(), fmt::format("\"{}\" is nothing that a header has", printable(word.substr(0, 40))));
    }
  }
  throw Error(where, "ends within its header");
}

// Where the values of a point go.
class Assembly {
 public:
  Assembly(const Header& header, const std::string& where) {
    std::vector<std::string> names;
    for (const Field& field : header.fields) {
      for (std::uint64_t i = 0; i < field.count; ++i) {
        names.push_back(field.count == 1 ? field.name : fmt::format("{}{}", field.name, i));
        packed_.push_back(field.packs_colour());
        padding_.push_back(field.name == "_");
        integer_.push_back(field.type.kind != 'f');
      }
    }
    places_ = place_columns(names, where);
    std::erase_if(places_.others, [&](std::size_t i) { return padding_[i]; });
    for (const std::size_t other : places_.others) {
      if (packed_[other])
        columns.insert(columns.end(), {"red", "green", "blue"});
      else
        columns.push_back(names[other]);
    }
  }

  void add(const std::vector<double>& values, PointCloud& cloud) const {
    cloud.points.push_back({values[places_.axes[0]], values[places_.axes[1]], values[places_.axes[2]]});
    for (const std::size_t other : places_.others) {
      if (!packed_[other]) {
        cloud.attributes.push_back(static_cast<float>(values[other]));
        continue;
      }
      const std::uint32_t bits = colour_bits(values[other], integer_[other]);
      for (const unsigned shift : {16U, 8U, 0U}) cloud.attributes.push_back(static_cast<float>(bits >> shift & 0xffU));
    }
  }

  std::vector<std::string> columns;

 private:
  static std::uint32_t colour_bits(double value, bool integer) {
    if (!integer) return std::bit_cast<std::uint32_t>(static_cast<float>(value));
    if (!(value >= -0x1p31 && value < 0x1p32)) return 0;
    return static_cast<std::uint32_t>(static_cast<std::int64_t>(value));
  }

  ColumnPlaces places_;
  std::vector<bool> packed_, padding_, integer_;
};

void read_text(std::string_view body, const Header& header, const Assembly& assembly, const std::string& where,
               PointCloud& cloud) {
  LineScanner lines(body, where + ": behind the header");
  std::vector<double> values(header.values());
  for (std::uint64_t i = 0; i < header.points; ++i) {
    if (!lines.next_line()) throw Error(where, fmt::format("ends after {} of {} points", i, header.points));
    for (double& value : values) value = lines.number();
    if (!lines.at_end()) throw Error(lines.where(), fmt::format("has more than {} values", values.size()));
    assembly.add(values, cloud);
  }
}

// by_field: all points' first field, then all points' second (compressed files).
void read_bytes(std::span<const std::byte> body, bool by_field, const Header& header, const Assembly& assembly,
                PointCloud& cloud) {
  std::vector<double> values(header.values());
  const std::uint64_t point_bytes = header.point_bytes();
  for (std::uint64_t i = 0; i < header.points; ++i) {
    std::size_t value = 0;
    std::uint64_t before = 0;  // bytes of the fields before this one, of one point
    for (const Field& field : header.fields) {
      const std::uint64_t at = by_field ? before * header.points + i * field.bytes() : i * point_bytes + before;
      for (std::uint64_t k = 0; k < field.count; ++k) {
        values[value++] = read_scalar(field.type, body.data() + at + k * field.type.bytes, false);
      }
      before += field.bytes();
    }
    assembly.add(values, cloud);
  }
}

}  // namespace

// The Point Cloud Library's format 0.7.
PointCloud decode_pcd(std::string_view file, const std::string& where, const PointCloudLimits& limits) {
  const Header header = read_header(file, where);
  const Assembly assembly(header, where);
  const std::string_view body = file.substr(header.body);
  const bool text = header.storage == Storage::ascii;
  const std::uint64_t least = text ? 2 * header.values() : header.storage == Storage::binary ? header.point_bytes() : 0;
  require_count(header.points, least, body.size() + (text ? 1 : 0), limits.max_points, where, "points");

  PointCloud cloud;
  cloud.columns = assembly.columns;
  if (text) {
    cloud.points.reserve(header.points);
    read_text(body, header, assembly, where, cloud);
  } else if (header.storage == Storage::binary) {
    cloud.points.reserve(header.points);
    read_bytes(std::as_bytes(std::span(body)), false, header, assembly, cloud);
  } else {
    ByteReader reader(std::as_bytes(std::span(body)), where);
    const auto packed = reader.take<std::uint32_t>(), unpacked = reader.take<std::uint32_t>();
    if (unpacked != checked_mul(header.points, header.point_bytes(), where)) {
      throw Error(where, fmt::format("declares {} points of {} bytes, but {} bytes of data", header.points,
                                     header.point_bytes(), unpacked));
    }
    const std::vector<std::byte> bytes = lzf_unpacked(reader.take_bytes(packed), unpacked, where);
    cloud.points.reserve(header.points);
    read_bytes(bytes, true, header, assembly, cloud);
  }
  return cloud;
}

}  // namespace mt
