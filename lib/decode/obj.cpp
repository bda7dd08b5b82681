#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/line_scanner.h"
#include "decode/point_cloud_formats.h"

namespace mt {

namespace {

// "7", "7/1", "7//3", "-1": the number of a vertex, counted from 1 or backwards from the latest.
std::uint64_t corner_number(std::string_view word, std::size_t vertices, const std::string& where) {
  const std::string_view digits = word.substr(0, word.find('/'));
  std::int64_t number = 0;
  const auto [behind, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || behind != digits.data() + digits.size()) {
    throw Error(where, fmt::format("\"{}\" is not the number of a vertex", printable(word.substr(0, 40))));
  }
  const auto last = static_cast<std::int64_t>(vertices);
  if (number == 0 || number > last || number < -last) {
    throw Error(where, fmt::format("names vertex {}, there are {} so far (counted from 1)", number, vertices));
  }
  return static_cast<std::uint64_t>(number > 0 ? number - 1 : last + number);
}

}  // namespace

// Lines "v x y z [w | red green blue]" and "f a b c ..."; whatever else is about looks.
PointCloud decode_obj(std::string_view file, const std::string& where, const PointCloudLimits& limits) {
  LineScanner lines(file, where);
  PointCloud cloud;
  std::vector<std::uint64_t> corners;
  bool coloured = false;
  while (lines.next_line()) {
    const std::string_view word = *lines.word();
    if (word == "v") {
      if (cloud.size() == limits.max_points)
        throw Error(where, fmt::format("has more than {} vertices", limits.max_points));
      auto& point = cloud.points.emplace_back();
      for (double& value : point) value = lines.number();
      std::vector<float> rest;
      while (!lines.at_end() && rest.size() < 4) rest.push_back(static_cast<float>(lines.number()));
      if (cloud.size() == 1 && rest.size() == 3) {
        coloured = true;
        cloud.columns = {"red", "green", "blue"};
      }
      if (!coloured) continue;
      if (rest.size() != 3) throw Error(lines.where(), "has no colour, as the vertices before it have");
      cloud.attributes.insert(cloud.attributes.end(), rest.begin(), rest.end());
    } else if (word == "f") {
      corners.clear();
      while (const auto corner = lines.word()) corners.push_back(corner_number(*corner, cloud.size(), lines.where()));
      add_polygon(cloud, corners, lines.where(), limits);
    }
  }
  if (cloud.size() == 0)
    throw Error(where, "has no lines that start with \"v\"", "see that it is a Wavefront OBJ file");
  return cloud;
}

}  // namespace mt
