#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "support/temporary_directory.h"
#include "tokenize/point_cloud/point_cloud_samples.h"

using namespace mt;

namespace {

PointCloud random_cloud(std::size_t n, double shift = 0) {
  PointCloud cloud;
  Random random(n);
  for (std::size_t i = 0; i < n; ++i)
    cloud.points.push_back({random.normal() + shift, random.normal() + shift, random.normal()});
  return cloud;
}

std::string why(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace

TEST_CASE("point cloud samples: a patch is its neighbours less their centre, nearest first") {
  PointCloudTokenization settings;
  settings.scale = PointScale::none;
  settings.centers = 2;
  settings.neighbors = 2;
  PointCloud cloud;
  cloud.points = {{0, 0, 0}, {1, 0, 0}, {10, 0, 0}, {10, 3, 0}};
  const PointPatches patches = cut_point_cloud(cloud, settings, 0, "a.xyz");
  CHECK(std::ranges::equal(patches.centers.as<float>(), std::vector<float>{0, 0, 0, 10, 3, 0}));
  CHECK(std::ranges::equal(patches.rows.as<float>(), std::vector<float>{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, -3, 0}));
}

TEST_CASE("point cloud samples: columns are differences too, in units of their deviation") {
  PointCloudTokenization settings;
  settings.scale = PointScale::none;
  settings.centers = 1;
  settings.neighbors = 2;
  settings.features = PointFeatures::dp_df;
  settings.columns = {"red"};
  settings.deviations = {10};
  PointCloud cloud;
  cloud.points = {{0, 0, 0}, {1, 0, 0}};
  cloud.columns = {"nx", "red"};
  cloud.attributes = {7, 100, 8, 130};
  const PointPatches patches = cut_point_cloud(cloud, settings, 0, "a.ply");
  CHECK(std::ranges::equal(patches.rows.as<float>(), std::vector<float>{0, 0, 0, 0, 1, 0, 0, 3}));
  settings.columns = {"green"};
  CHECK(why([&] { cut_point_cloud(cloud, settings, 0, "a.ply"); }) == "a.ply: has no column \"green\" among nx, red");
  cloud.attributes[3] = std::numeric_limits<float>::quiet_NaN();
  settings.columns = {"red"};
  CHECK(why([&] { cut_point_cloud(cloud, settings, 0, "a.ply"); }) ==
        "a.ply: point 1 has no number in the column \"red\"");
}

TEST_CASE("point cloud samples: smaller clouds have fewer centres, and repeat their points in a patch") {
  const PointPatches patches = cut_point_cloud(random_cloud(5), {}, 0, "a.xyz");
  CHECK(patches.rows.shape() == Shape{5, 96});
  const auto row = patches.rows.row<float>(2);
  for (std::size_t i = 15; i < row.size(); ++i) CHECK(row[i] == row[i - 15]);
  CHECK(cut_point_cloud(random_cloud(1), {}, 0, "a.xyz").rows.shape() == Shape{1, 96});
}

TEST_CASE("point cloud samples: the unit sphere is around the mean, and a map grid's metres are kept") {
  PointCloudTokenization settings;
  settings.centers = 100;
  settings.scale = PointScale::sphere;
  const PointPatches near = cut_point_cloud(random_cloud(100), settings, 0, "a.xyz");
  float farthest = 0;
  for (std::size_t t = 0; t < 100; ++t) {
    const auto center = near.centers.row<float>(t);
    farthest = std::max(farthest, std::hypot(center[0], center[1], center[2]));
  }
  CHECK(farthest == doctest::Approx(1).epsilon(1e-6));
  // 5.6 million metres north: float32 would step by half a metre
  const PointPatches far = cut_point_cloud(random_cloud(100, 5.6e6), settings, 0, "a.xyz");
  for (std::size_t i = 0; i < near.rows.size(); ++i) {
    CHECK(std::abs(near.rows.as<float>()[i] - far.rows.as<float>()[i]) < 1e-6);
  }
}

TEST_CASE("point cloud samples: larger clouds are sampled by seed and contents, or farthest, or first") {
  PointCloudTokenization settings;
  settings.points = 50;
  settings.scale = PointScale::none;
  settings.centers = 50;
  const PointCloud cloud = random_cloud(500);
  const auto centers = [&](std::uint64_t seed, std::uint64_t key, PointSampling sampling) {
    settings.seed = seed;
    settings.sampling = sampling;
    const Tensor tensor = cut_point_cloud(cloud, settings, key, "a.xyz").centers;
    CHECK(tensor.rows() == 50);
    return std::vector<float>(tensor.as<float>().begin(), tensor.as<float>().end());
  };
  CHECK(centers(1, 7, PointSampling::random) == centers(1, 7, PointSampling::random));
  CHECK(centers(1, 7, PointSampling::random) != centers(2, 7, PointSampling::random));
  CHECK(centers(1, 7, PointSampling::random) != centers(1, 8, PointSampling::random));
  CHECK(centers(1, 7, PointSampling::farthest) == centers(2, 8, PointSampling::farthest));
  CHECK(centers(1, 7, PointSampling::first)[0] == static_cast<float>(cloud.points[0][0]));
}

TEST_CASE("point cloud samples: NaN is an error or left out, empty clouds are refused") {
  PointCloud cloud = random_cloud(40);
  cloud.points[3][1] = std::numeric_limits<double>::quiet_NaN();
  PointCloudTokenization settings;
  CHECK(why([&] { cut_point_cloud(cloud, settings, 0, "a.pcd"); }) ==
        "a.pcd: point 3 has coordinates that are NaN or infinite (--drop-invalid leaves such points out)");
  settings.drop_invalid = true;
  CHECK(cut_point_cloud(cloud, settings, 0, "a.pcd").rows.rows() == 39);
  CHECK(why([&] { cut_point_cloud({}, settings, 0, "a.pcd"); }) == "a.pcd: holds no points");
  cloud.points[3][1] = 1e200;
  settings.scale = PointScale::none;
  CHECK(why([&] { cut_point_cloud(cloud, settings, 0, "a.pcd"); }) ==
        "a.pcd: has coordinates beyond 1e15 (--scale sphere takes them)");
}

TEST_CASE("point cloud samples: a source of files and arrays, damaged ones rejected by name") {
  const test::TemporaryDirectory folder;
  std::ofstream(folder.path() / "a.xyz") << "0 0 0\n1 0 0\n0 2 0\n";
  std::ofstream(folder.path() / "b.xyz") << "0 0 zero\n";
  std::ofstream(folder.path() / "notes.md") << "no cloud\n";
  PointCloudSourceOptions options;
  options.list.inputs = {folder.path().string()};
  options.list.labels = "directory";
  const PointCloudSource source(options);
  REQUIRE(source.list().size() == 2);
  CHECK(source.list().id(1) == "b.xyz");
  CHECK(source.list().label(0) == 0);
  const PointCloudSamples samples(source, {});
  Batch batch = samples.empty_batch();
  CHECK(samples.make(0, batch) == samples.digest(0));
  CHECK(batch.rows.shape() == Shape{3, 96});
  CHECK(why([&] { samples.make(1, batch); }).ends_with("b.xyz: line 1: \"zero\" is not a number"));
}

TEST_CASE("point cloud samples: settings go into a part and come back") {
  PointCloudTokenization settings;
  settings.points = 77;
  settings.sampling = PointSampling::farthest;
  settings.scale = PointScale::centre;
  settings.features = PointFeatures::dp_df;
  settings.columns = {"red", "nx"};
  settings.deviations = {2, 3};
  settings.surface = false;
  Part part;
  settings.store(part);
  const PointCloudTokenization back = PointCloudTokenization::from(part);
  CHECK(back.points == 77);
  CHECK(back.sampling == PointSampling::farthest);
  CHECK(back.scale == PointScale::centre);
  CHECK(back.columns == settings.columns);
  CHECK(back.deviations == settings.deviations);
  CHECK(!back.surface);
  part.tensors["column_deviations"].as<float>()[1] = 0;
  CHECK_THROWS_AS(PointCloudTokenization::from(part), Error);
}
