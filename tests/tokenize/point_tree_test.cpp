#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "support/goldens.h"
#include "tokenize/point_cloud/point_tree.h"

using namespace mt;

namespace {

using Points = std::vector<float>;

// The plain loops, which are the definitions.
std::vector<float> distances_from(const Points& points, std::size_t from) {
  std::vector<float> all(points.size() / 3);
  for (std::size_t i = 0; i < all.size(); ++i) {
    float d[3];
    for (std::size_t axis = 0; axis < 3; ++axis) d[axis] = points[3 * i + axis] - points[3 * from + axis];
    all[i] = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
  }
  return all;
}

std::vector<std::uint32_t> plain_farthest(const Points& points, std::size_t count) {
  std::vector<float> far(points.size() / 3, std::numeric_limits<float>::infinity());
  std::vector<std::uint32_t> chosen = {0};
  while (chosen.size() < count) {
    const std::vector<float> now = distances_from(points, chosen.back());
    for (std::size_t i = 0; i < far.size(); ++i) far[i] = std::min(far[i], now[i]);
    chosen.push_back(static_cast<std::uint32_t>(std::max_element(far.begin(), far.end()) - far.begin()));
  }
  return chosen;
}

std::vector<PointTree::Neighbour> plain_nearest(const Points& points, std::size_t from, std::size_t count) {
  const std::vector<float> all = distances_from(points, from);
  std::vector<PointTree::Neighbour> neighbours;
  for (std::size_t i = 0; i < all.size(); ++i) neighbours.push_back({all[i], static_cast<std::uint32_t>(i)});
  std::sort(neighbours.begin(), neighbours.end());
  neighbours.resize(count);
  return neighbours;
}

std::vector<PointTree::Neighbour> nearest(const PointTree& tree, const Points& points, std::size_t from,
                                          std::size_t count) {
  std::vector<PointTree::Neighbour> found(count);
  tree.nearest({points[3 * from], points[3 * from + 1], points[3 * from + 2]}, found);
  return found;
}

Points normal_points(std::size_t n, std::uint64_t seed) {
  Points points(3 * n);
  Random(seed).fill_normal(points, 0, 1);
  return points;
}

// Whole numbers: full of ties and of points in one place.
Points grid_points(std::size_t n, std::uint64_t side, std::uint64_t seed) {
  Points points(3 * n);
  Random random(seed);
  for (float& value : points) value = static_cast<float>(random.below(side));
  return points;
}

void check_against_plain_loops(const Points& points) {
  const PointTree tree(points);
  const std::size_t n = points.size() / 3;
  CHECK(tree.farthest_points(64) == plain_farthest(points, std::min<std::size_t>(64, n)));
  const std::size_t count = std::min<std::size_t>(32, n);
  for (std::size_t from = 0; from < n; from += 1 + n / 7) {
    CHECK(nearest(tree, points, from, count) == plain_nearest(points, from, count));
  }
}

}  // namespace

TEST_CASE("point tree: farthest points and neighbours are those of the plain loops, ties included") {
  for (const std::size_t n : {1, 2, 31, 32, 256, 257, 5000}) {
    CAPTURE(n);
    check_against_plain_loops(normal_points(n, n));
    check_against_plain_loops(grid_points(n, 2, n));
    check_against_plain_loops(grid_points(n, 9, n));
  }
  check_against_plain_loops(Points(3 * 1000, 0.5F));  // all in one place
}

TEST_CASE("point tree: far-flung and clustered points split evenly enough to answer") {
  Points points = normal_points(4000, 3);
  for (std::size_t i = 0; i < points.size(); ++i) points[i] = std::exp(8 * points[i]);  // from 1e-14 to 1e14
  check_against_plain_loops(points);
}

TEST_CASE("point tree: agrees with fpsample and scikit-learn") {
  for (const auto& cloud : test::golden("point_cloud")["clouds"]) {
    CAPTURE(cloud["name"].get<std::string>());
    const Points points = cloud["points"].get<Points>();
    const auto farthest = cloud["farthest"].get<std::vector<std::uint32_t>>();
    const PointTree tree(points);
    CHECK(tree.farthest_points(farthest.size()) == farthest);
    const auto distances = cloud["distances"].get<std::vector<double>>();
    for (std::size_t i = 0; i < 10; ++i) {
      const auto found = nearest(tree, points, farthest[i], 9);
      for (std::size_t k = 0; k < 9; ++k) {
        // scikit-learn computes |a|^2 - 2 a b + |b|^2 in float64
        CHECK(std::sqrt(found[k].squared_distance) == doctest::Approx(distances[i * 9 + k]).epsilon(1e-4));
      }
    }
  }
}

TEST_CASE("point tree: asks for no more points than there are") {
  const PointTree tree(normal_points(10, 1));
  const auto all = tree.farthest_points(100);
  CHECK(all.size() == 10);
  CHECK(std::set<std::uint32_t>(all.begin(), all.end()).size() == 10);
  CHECK(PointTree({}).farthest_points(5).empty());
}
