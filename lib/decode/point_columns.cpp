#include <optional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/line_scanner.h"
#include "decode/point_cloud_formats.h"

namespace mt {

namespace {

constexpr std::size_t kMostColumns = 4096;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

std::vector<std::string> words_of_line(LineScanner& lines) {
  std::vector<std::string> words;
  while (const auto word = lines.word()) {
    if (words.size() == kMostColumns) throw Error(lines.where(), fmt::format("has more than {} columns", kMostColumns));
    words.emplace_back(*word);
  }
  return words;
}

std::string unquoted(std::string_view name) {
  if (name.size() >= 2 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
  if (name.starts_with("//")) name.remove_prefix(2);  // CloudCompare writes //X Y Z
  return std::string(name);
}

}  // namespace

PointCloud decode_point_columns(std::string_view file, const std::string& where, const PointCloudLimits& limits) {
  if (file.starts_with(kByteOrderMark)) file.remove_prefix(kByteOrderMark.size());
  LineScanner lines(file, where, '#', " \t,;");
  PointCloud cloud;
  if (!lines.next_line()) return cloud;

  // The first line: data, names of the columns, or how many points there are.
  std::vector<std::string> first = words_of_line(lines);
  std::optional<std::uint64_t> declared;
  std::vector<std::string> names;
  bool more = true;
  if (first.size() == 1 && parse_int(first[0]).value_or(-1) >= 0) {
    declared = static_cast<std::uint64_t>(*parse_int(first[0]));
    require_count(*declared, 5, lines.bytes_left() + 1, limits.max_points, where,
                  "points");  // "0 0 0", no last line end
    more = lines.next_line();
    first = words_of_line(lines);
  } else if (!first.empty() && !number_in(first[0])) {
    for (const std::string& name : first) names.push_back(unquoted(name));
    more = lines.next_line();
    first = words_of_line(lines);
  }
  if (!more) {
    if (declared.value_or(0) > 0) throw Error(where, fmt::format("declares {} points, but has none", *declared));
    return cloud;
  }
  if (first.size() < 3) throw Error(lines.where(), fmt::format("has {} columns, expected x, y and z", first.size()));
  const std::size_t width = first.size();
  if (names.empty()) {
    names = {"x", "y", "z"};
    for (std::size_t i = 3; i < width; ++i) names.push_back(fmt::format("column{}", i + 1));
  } else if (names.size() != width) {
    throw Error(lines.where(), fmt::format("has {} columns, the line of names has {}", width, names.size()));
  }
  const ColumnPlaces places = place_columns(names, where);
  for (const std::size_t other : places.others) cloud.columns.push_back(names[other]);

  std::vector<double> row(width);
  lines.restart();
  do {
    if (declared && cloud.size() == *declared)
      throw Error(lines.where(), fmt::format("goes on behind {} points", *declared));
    if (cloud.size() == limits.max_points)
      throw Error(where, fmt::format("has more than {} points", limits.max_points));
    for (double& value : row) value = lines.number();
    if (!lines.at_end()) throw Error(lines.where(), fmt::format("has more than {} columns", width));
    cloud.points.push_back({row[places.axes[0]], row[places.axes[1]], row[places.axes[2]]});
    for (const std::size_t other : places.others) cloud.attributes.push_back(static_cast<float>(row[other]));
  } while (lines.next_line());
  if (declared && cloud.size() != *declared) {
    throw Error(where, fmt::format("declares {} points, but has {}", *declared, cloud.size()));
  }
  return cloud;
}

}  // namespace mt
