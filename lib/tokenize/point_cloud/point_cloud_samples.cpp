#include "tokenize/point_cloud/point_cloud_samples.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/random.h"
#include "base/text.h"
#include "tokenize/point_cloud/point_tree.h"

namespace mt {

namespace {

constexpr std::pair<std::string_view, PointSampling> kSamplings[] = {
    {"random", PointSampling::random}, {"fps", PointSampling::farthest}, {"first", PointSampling::first}};
constexpr std::pair<std::string_view, PointScale> kScales[] = {
    {"none", PointScale::none}, {"centre", PointScale::centre}, {"sphere", PointScale::sphere}};
constexpr std::pair<std::string_view, PointFeatures> kFeatures[] = {{"dp", PointFeatures::dp},
                                                                    {"dp_df", PointFeatures::dp_df}};
constexpr std::size_t kMostCenters = std::size_t{1} << 20, kMostNeighbors = 4096;

template <class Value, std::size_t N>
std::string_view name_in(const std::pair<std::string_view, Value> (&names)[N], Value value) {
  for (const auto& [name, known] : names) {
    if (known == value) return name;
  }
  return "";
}

template <class Value, std::size_t N>
Value value_in(const std::pair<std::string_view, Value> (&names)[N], const nlohmann::json& config, const char* key) {
  for (const auto& [name, value] : names) {
    if (config.value(key, std::string()) == name) return value;
  }
  throw Error("tokenizer/point-cloud", fmt::format("its {} is unknown", key), "check the model with mt-inspect");
}

// Points [chosen] of a cloud, in that order.
PointCloud taken(const PointCloud& cloud, const std::vector<std::size_t>& chosen) {
  PointCloud part;
  part.columns = cloud.columns;
  const std::size_t width = cloud.columns.size();
  part.points.reserve(chosen.size());
  part.attributes.reserve(chosen.size() * width);
  for (const std::size_t i : chosen) {
    part.points.push_back(cloud.points[i]);
    const auto first = cloud.attributes.begin() + static_cast<std::ptrdiff_t>(i * width);
    part.attributes.insert(part.attributes.end(), first, first + static_cast<std::ptrdiff_t>(width));
  }
  return part;
}

bool is_finite(const std::array<double, 3>& point) {
  return std::isfinite(point[0]) && std::isfinite(point[1]) && std::isfinite(point[2]);
}

PointCloud valid_points(PointCloud cloud, bool drop, std::string_view where) {
  const auto invalid = std::ranges::find_if_not(cloud.points, is_finite);
  if (invalid == cloud.points.end()) return cloud;
  if (!drop) {
    throw Error(where, fmt::format("point {} has coordinates that are NaN or infinite", invalid - cloud.points.begin()),
                "--drop-invalid leaves such points out");
  }
  std::vector<std::size_t> valid;
  for (std::size_t i = 0; i < cloud.size(); ++i) {
    if (is_finite(cloud.points[i])) valid.push_back(i);
  }
  return taken(cloud, valid);
}

// Coordinates in float32, less the middle of their box: enough for choosing points, whatever grid they are in.
std::vector<float> moved_near_zero(const PointCloud& cloud, const std::array<double, 3>& origin) {
  std::vector<float> moved;
  moved.reserve(cloud.size() * 3);
  for (const auto& point : cloud.points) {
    for (std::size_t axis = 0; axis < 3; ++axis) moved.push_back(static_cast<float>(point[axis] - origin[axis]));
  }
  return moved;
}

std::array<double, 3> mean_of(const PointCloud& cloud) {
  std::array<double, 3> mean{};
  for (const auto& point : cloud.points) {
    for (std::size_t axis = 0; axis < 3; ++axis) mean[axis] += point[axis];
  }
  for (double& value : mean) value /= static_cast<double>(cloud.size());
  return mean;
}

PointCloud chosen_points(PointCloud cloud, const PointCloudTokenization& tokenization, std::uint64_t key) {
  const std::size_t n = tokenization.points;
  if (n == 0 || cloud.size() <= n) return cloud;
  std::vector<std::size_t> chosen(n);
  switch (tokenization.sampling) {
    case PointSampling::first:
      std::iota(chosen.begin(), chosen.end(), std::size_t{0});
      break;
    case PointSampling::random: {
      Random random(tokenization.seed, stream_of("points of a cloud", key));
      const std::vector<std::size_t> order = permutation(cloud.size(), random);
      std::copy_n(order.begin(), n, chosen.begin());
      std::sort(chosen.begin(), chosen.end());
      break;
    }
    case PointSampling::farthest:
      std::ranges::copy(PointTree(moved_near_zero(cloud, mean_of(cloud))).farthest_points(n), chosen.begin());
      break;
  }
  return taken(cloud, chosen);
}

// Coordinates as float32, moved and scaled as asked.
std::vector<float> scaled_points(const PointCloud& cloud, PointScale scale, std::string_view where) {
  std::array<double, 3> origin{};
  double radius = 1;
  if (scale != PointScale::none) origin = mean_of(cloud);
  if (scale == PointScale::sphere) {
    radius = 0;
    for (const auto& point : cloud.points) {
      radius = std::max(radius, std::hypot(point[0] - origin[0], point[1] - origin[1], point[2] - origin[2]));
    }
    if (radius == 0) radius = 1;  // all in one place
  }
  std::vector<float> scaled;
  scaled.reserve(cloud.size() * 3);
  for (const auto& point : cloud.points) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      scaled.push_back(static_cast<float>((point[axis] - origin[axis]) / radius));
    }
  }
  // Differences and their squares must be float32 too.
  constexpr float kLargest = 1e15F;
  if (!std::ranges::all_of(scaled, [](float value) { return std::abs(value) < kLargest; })) {
    throw Error(where, "has coordinates beyond 1e15", "--scale sphere takes them");
  }
  return scaled;
}

// The columns of dp_df, each divided by its deviation: [points, columns].
std::vector<float> scaled_columns(const PointCloud& cloud, const PointCloudTokenization& tokenization,
                                  std::string_view where) {
  std::vector<float> scaled;
  std::vector<std::size_t> places;
  for (const std::string& column : tokenization.columns) {
    const auto found = std::ranges::find(cloud.columns, column);
    if (found == cloud.columns.end()) {
      throw Error(where, fmt::format("has no column \"{}\" among {}", printable(column),
                                     cloud.columns.empty() ? "none but x, y and z" : listed(cloud.columns)));
    }
    places.push_back(static_cast<std::size_t>(found - cloud.columns.begin()));
  }
  scaled.reserve(cloud.size() * places.size());
  for (std::size_t i = 0; i < cloud.size(); ++i) {
    for (std::size_t c = 0; c < places.size(); ++c) {
      const float value = cloud.attributes[i * cloud.columns.size() + places[c]] / tokenization.deviations.at(c);
      if (!std::isfinite(value)) {
        throw Error(where, fmt::format("point {} has no number in the column \"{}\"", i, tokenization.columns[c]));
      }
      scaled.push_back(value);
    }
  }
  return scaled;
}

std::uint64_t key_of(const Digest& digest) {
  std::uint64_t key = 0;
  std::memcpy(&key, digest.data(), sizeof key);
  return key;
}

}  // namespace

std::string_view name_of(PointSampling sampling) { return name_in(kSamplings, sampling); }
std::string_view name_of(PointScale scale) { return name_in(kScales, scale); }
std::string_view name_of(PointFeatures features) { return name_in(kFeatures, features); }

void PointCloudTokenization::store(Part& part) const {
  part.config["points"] = points;
  part.config["sampling"] = name_of(sampling);
  part.config["surface"] = surface;
  part.config["scale"] = name_of(scale);
  part.config["centers"] = centers;
  part.config["neighbors"] = neighbors;
  part.config["features"] = name_of(features);
  part.config["columns"] = columns;
  if (!columns.empty()) part.tensors["column_deviations"] = Tensor::of<float>({columns.size()}, std::span(deviations));
}

PointCloudTokenization PointCloudTokenization::from(const Part& part) {
  const auto& config = part.config;
  const auto count = [&](const char* key, std::size_t least, std::size_t most) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_number_unsigned() || found->get<std::size_t>() < least ||
        found->get<std::size_t>() > most) {
      throw Error("tokenizer/point-cloud", fmt::format("its {} is not from {} to {}", key, least, most),
                  "check the model with mt-inspect");
    }
    return found->get<std::size_t>();
  };
  PointCloudTokenization tokenization;
  tokenization.points = count("points", 0, std::numeric_limits<std::uint32_t>::max());
  tokenization.centers = count("centers", 1, kMostCenters);
  tokenization.neighbors = count("neighbors", 1, kMostNeighbors);
  tokenization.sampling = value_in(kSamplings, config, "sampling");
  tokenization.scale = value_in(kScales, config, "scale");
  tokenization.features = value_in(kFeatures, config, "features");
  tokenization.surface = !config.contains("surface") || config["surface"] == true;
  if (config.contains("columns") && config["columns"].is_array()) {
    for (const auto& column : config["columns"]) {
      if (!column.is_string()) throw Error("tokenizer/point-cloud", "its columns are no names");
      tokenization.columns.push_back(column.get<std::string>());
    }
  }
  if (tokenization.columns.empty()) return tokenization;
  const Tensor deviations = part.at("column_deviations").to(DType::f32);
  const auto values = deviations.as<float>();
  if (values.size() != tokenization.columns.size() || !std::ranges::all_of(values, [](float v) { return v > 0; })) {
    throw Error("tokenizer/point-cloud", "its column_deviations do not fit its columns",
                "check the model with mt-inspect");
  }
  tokenization.deviations.assign(values.begin(), values.end());
  return tokenization;
}

PointPatches cut_point_cloud(PointCloud cloud, const PointCloudTokenization& tokenization, std::uint64_t key,
                             std::string_view where) {
  if (!cloud.triangles.empty() && tokenization.surface && tokenization.points > 0) {
    cloud = sample_surface(valid_points(std::move(cloud), false, where), tokenization.points, tokenization.seed ^ key,
                           where);
  }
  cloud.triangles.clear();
  cloud = valid_points(std::move(cloud), tokenization.drop_invalid, where);
  if (cloud.size() == 0) throw Error(where, "holds no points");
  cloud = chosen_points(std::move(cloud), tokenization, key);

  const std::vector<float> points = scaled_points(cloud, tokenization.scale, where);
  const std::vector<float> columns = scaled_columns(cloud, tokenization, where);
  const std::size_t width = tokenization.columns.size(), features = tokenization.features_per_point();
  const PointTree tree(points);
  const std::vector<std::uint32_t> centers = tree.farthest_points(tokenization.centers);
  std::vector<PointTree::Neighbour> neighbours(std::min(tokenization.neighbors, cloud.size()));

  PointPatches patches{Tensor(DType::f32, {centers.size(), tokenization.patch_size()}),
                       Tensor(DType::f32, {centers.size(), 3})};
  for (std::size_t t = 0; t < centers.size(); ++t) {
    const float* center = points.data() + std::size_t{centers[t]} * 3;
    std::copy_n(center, 3, patches.centers.row<float>(t).begin());
    tree.nearest({center[0], center[1], center[2]}, neighbours);
    const auto row = patches.rows.row<float>(t);
    for (std::size_t k = 0; k < tokenization.neighbors; ++k) {
      const std::size_t point = neighbours[k % neighbours.size()].point;
      for (std::size_t axis = 0; axis < 3; ++axis) row[k * features + axis] = points[point * 3 + axis] - center[axis];
      for (std::size_t c = 0; c < width; ++c) {
        row[k * features + 3 + c] = columns[point * width + c] - columns[std::size_t{centers[t]} * width + c];
      }
    }
  }
  return patches;
}

PointCloudSamples::PointCloudSamples(const PointCloudSource& source, PointCloudTokenization tokenization)
    : source_(source), tokenization_(std::move(tokenization)) {}

nlohmann::json PointCloudSamples::config() const {
  nlohmann::json config = {{"modality", "point-cloud"},
                           {"points", tokenization_.points},
                           {"surface", tokenization_.surface},
                           {"scale", name_of(tokenization_.scale)},
                           {"centers", tokenization_.centers},
                           {"neighbors", tokenization_.neighbors},
                           {"features", name_of(tokenization_.features)},
                           {"columns", tokenization_.columns},
                           {"drop_invalid", tokenization_.drop_invalid}};
  if (tokenization_.points > 0) {
    config["sampling"] = name_of(tokenization_.sampling);
    config["seed"] = tokenization_.seed;
  }
  return config;
}

Schema PointCloudSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "point-cloud";
  schema.width = tokenization_.patch_size();
  schema.has_centers = true;
  schema.has_labels = has_labels();
  schema.label_names = source_.list().label_names();
  schema.positions = schema.pre_norm = false;
  return schema;
}

Batch PointCloudSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, tokenization_.patch_size()});
  batch.centers = Tensor(DType::f32, {0, 3});
  return batch;
}

Digest PointCloudSamples::make(std::size_t i, Batch& batch) const {
  PointCloudSource::Loaded loaded = source_.load(i);
  const PointPatches patches =
      cut_point_cloud(std::move(loaded.cloud), tokenization_, key_of(loaded.digest), loaded.where);
  const std::size_t before = batch.rows.rows(), rows = patches.rows.rows();
  batch.rows.resize_rows(before + rows);
  batch.centers.resize_rows(before + rows);
  std::ranges::copy(patches.rows.as<float>(), batch.rows.row<float>(before).data());
  std::ranges::copy(patches.centers.as<float>(), batch.centers.row<float>(before).data());
  return loaded.digest;
}

std::vector<float> column_deviations(const PointCloudSource& source, const PointCloudTokenization& tokenization) {
  const std::size_t width = tokenization.columns.size();
  std::vector<double> mean(width), square(width);
  std::size_t clouds = 0;
  for (std::size_t i = 0; i < source.list().size(); ++i) {
    throw_if_interrupted();
    std::vector<double> sum(width), squares(width);
    try {
      const PointCloudSource::Loaded loaded = source.load(i);
      PointCloudTokenization raw = tokenization;
      raw.deviations.assign(width, 1);
      const std::vector<float> values = scaled_columns(loaded.cloud, raw, loaded.where);
      if (values.empty()) continue;
      const auto count = static_cast<double>(loaded.cloud.size());
      for (std::size_t k = 0; k < values.size(); ++k) {
        sum[k % width] += values[k] / count;
        squares[k % width] += static_cast<double>(values[k]) * values[k] / count;
      }
    } catch (const Error&) {
      continue;  // will be rejected when its turn comes
    }
    ++clouds;
    for (std::size_t c = 0; c < width; ++c) {
      mean[c] += sum[c];
      square[c] += squares[c];
    }
  }
  if (clouds == 0) throw Error("--columns", "no cloud has " + listed(tokenization.columns), "see the files' headers");
  std::vector<float> deviations;
  for (std::size_t c = 0; c < width; ++c) {
    const double average = mean[c] / static_cast<double>(clouds);
    const double variance = square[c] / static_cast<double>(clouds) - average * average;
    deviations.push_back(variance > 1e-12 * std::max(1.0, average * average) ? static_cast<float>(std::sqrt(variance))
                                                                             : 1.0F);
  }
  return deviations;
}

}  // namespace mt
