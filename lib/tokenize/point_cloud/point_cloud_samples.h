// Point clouds as sequences of patches: points chosen, centred and scaled; farthest points as centres, the nearest
// neighbours of each as its patch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "decode/point_cloud_source.h"
#include "store/model.h"
#include "store/schema.h"
#include "tokenize/pipeline.h"

namespace mt {

enum class PointSampling : std::uint8_t { random, farthest, first };
enum class PointScale : std::uint8_t { none, centre, sphere };
enum class PointFeatures : std::uint8_t { dp, dp_df };
std::string_view name_of(PointSampling sampling);
std::string_view name_of(PointScale scale);
std::string_view name_of(PointFeatures features);

struct PointCloudTokenization {
  std::size_t points = 1024;  // of a larger cloud, and of a mesh's surface; 0: all, and a mesh's vertices
  PointSampling sampling = PointSampling::random;  // how points of a larger cloud are chosen
  bool surface = true;                             // meshes are sampled by area; else their vertices are the cloud
  PointScale scale = PointScale::sphere;           // centre: the mean is 0; sphere: the farthest point's radius is 1
  std::size_t centers = 256, neighbors = 32;
  PointFeatures features = PointFeatures::dp;  // dp_df: the columns' differences too, divided by their deviation
  std::vector<std::string> columns;            // of dp_df
  std::vector<float> deviations;               // [columns]
  bool drop_invalid = false;                   // points with NaN or infinite coordinates are left out, not an error
  std::uint64_t seed = 0;

  std::size_t features_per_point() const { return 3 + columns.size(); }
  std::size_t patch_size() const { return neighbors * features_per_point(); }

  // Into a tokenizer's part and back; everything but drop_invalid and the seed.
  void store(Part& part) const;
  static PointCloudTokenization from(const Part& part);  // throws Error
};

// One cloud's patches. n points become min(centers, n) rows of neighbors * features: for each neighbour, nearest first,
// its coordinates less the centre's, then its columns less the centre's. A cloud of fewer than `neighbors` points
// repeats them in their order, which a maximum does not see.
struct PointPatches {
  Tensor rows;     // [T, neighbors * features] f32
  Tensor centers;  // [T, 3] f32, scaled
};
// key: of the random choice of points, with the seed: equal clouds are cut alike wherever they are in the list. Throws
// Error(where): no points, invalid ones, columns that it does not have.
PointPatches cut_point_cloud(PointCloud cloud, const PointCloudTokenization& tokenization, std::uint64_t key,
                             std::string_view where);

class PointCloudSamples : public SampleMaker {
 public:
  // The source must outlive this.
  PointCloudSamples(const PointCloudSource& source, PointCloudTokenization tokenization);

  nlohmann::json config() const;  // what decides the rows: becomes part of mt_config
  Schema schema() const;          // of patches; creator, source and config are the caller's to complete

  std::size_t size() const override { return source_.list().size(); }
  std::string id(std::size_t i) const override { return source_.list().id(i); }
  bool has_labels() const override { return source_.list().has_labels(); }
  std::int32_t label(std::size_t i) const override { return source_.list().label(i); }
  Digest digest(std::size_t i) const override { return source_.digest(i); }
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  const PointCloudSource& source_;
  PointCloudTokenization tokenization_;
};

// The standard deviation of each column over the clouds' points, each cloud counting alike; 1 where it is 0. Clouds
// that cannot be used are left out. Throws Error when none can.
std::vector<float> column_deviations(const PointCloudSource& source, const PointCloudTokenization& tokenization);

}  // namespace mt
