#include "decode/spectral/envi_header.h"

#include <map>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

using Fields = std::map<std::string, std::string, std::less<>>;

constexpr std::int64_t kMostPixels = std::int64_t{1} << 40;

// "key = value" a line; a value in braces may span lines.
Fields fields_of(std::string_view text, std::string_view where) {
  Fields fields;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos || trimmed(line).starts_with(';')) {
      at = end + 1;
      continue;
    }
    const std::string key = lower_ascii(trimmed(line.substr(0, equals)));
    std::string_view value = trimmed(line.substr(equals + 1));
    if (value.starts_with('{')) {
      const std::size_t open = text.find('{', at), close = text.find('}', open);
      if (close == std::string_view::npos)
        throw Error(where, fmt::format("\"{}\" opens a brace that never ends", printable(key)), "correct the header");
      value = trimmed(text.substr(open + 1, close - open - 1));
      end = std::min(text.find('\n', close), text.size());
    }
    fields[key] = std::string(value);
    at = end + 1;
  }
  return fields;
}

std::size_t number(const Fields& fields, std::string_view key, std::string_view where, std::int64_t least,
                   std::int64_t otherwise = -1) {
  const auto found = fields.find(key);
  if (found == fields.end() && otherwise >= 0) return static_cast<std::size_t>(otherwise);
  const auto value = found == fields.end() ? std::nullopt : parse_int(found->second);
  if (!value || *value < least || *value > kMostPixels) {
    throw Error(where,
                found == fields.end() ? fmt::format("does not say \"{}\"", key)
                                      : fmt::format("\"{}\" is {}", key, printable(found->second.substr(0, 40))),
                "correct the header");
  }
  return static_cast<std::size_t>(*value);
}

void set_type(CubeLayout& layout, std::size_t code, std::string_view where) {
  struct Type {
    std::size_t code;
    char kind;
    std::size_t bytes;
  };
  static constexpr Type kTypes[] = {{1, 'u', 1},  {2, 'i', 2},  {3, 'i', 4},  {4, 'f', 4}, {5, 'f', 8},
                                    {12, 'u', 2}, {13, 'u', 4}, {14, 'i', 8}, {15, 'u', 8}};
  for (const Type& type : kTypes) {
    if (type.code != code) continue;
    layout.kind = type.kind;
    layout.item_bytes = type.bytes;
    return;
  }
  throw Error(where, fmt::format("its data type is {}{}", code, code == 6 || code == 9 ? ", complex numbers" : ""),
              "save it as float32");
}

void set_interleave(CubeLayout& layout, const std::string& interleave, std::string_view where) {
  const std::size_t rows = layout.size.rows, columns = layout.size.columns, bands = layout.bands;
  const std::size_t plane = checked_mul(rows, columns, where), line = checked_mul(columns, bands, where);
  checked_mul(checked_mul(plane, bands, where), layout.item_bytes, where);
  if (interleave == "bsq") {
    layout.row_stride = columns;
    layout.column_stride = 1;
    layout.band_stride = plane;
  } else if (interleave == "bil") {
    layout.row_stride = line;
    layout.column_stride = 1;
    layout.band_stride = columns;
  } else if (interleave == "bip") {
    layout.row_stride = line;
    layout.column_stride = bands;
    layout.band_stride = 1;
  } else {
    throw Error(where, fmt::format("its interleave is \"{}\"", printable(interleave.substr(0, 40))),
                "bsq, bil and bip are known");
  }
}

}  // namespace

EnviHeader parse_envi_header(std::string_view text, std::string_view where) {
  if (!trimmed(text.substr(0, std::min(text.find('\n'), text.size()))).starts_with("ENVI"))
    throw Error(where, "does not start with ENVI", "is this an ENVI header?");
  const Fields fields = fields_of(text, where);
  const auto get = [&](std::string_view key, std::string_view otherwise) {
    const auto found = fields.find(key);
    return found == fields.end() ? std::string(otherwise) : found->second;
  };
  EnviHeader header;
  CubeLayout& layout = header.layout;
  layout.size = {number(fields, "lines", where, 1), number(fields, "samples", where, 1)};
  layout.bands = number(fields, "bands", where, 1);
  set_type(layout, number(fields, "data type", where, 0), where);
  set_interleave(layout, lower_ascii(get("interleave", "bsq")), where);
  layout.big_endian = number(fields, "byte order", where, 0, 0) != 0;
  header.offset = number(fields, "header offset", where, 0, 0);
  if (const auto ignore = parse_double(get("data ignore value", ""))) layout.ignore = ignore;
  const std::string names = get("class names", "");  // split() gives views of it
  for (const std::string_view name : split(names, ',')) {
    if (!trimmed(name).empty()) header.class_names.emplace_back(trimmed(name));
  }
  return header;
}

}  // namespace mt
