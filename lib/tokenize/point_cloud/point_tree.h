// A k-d tree of points, whose leaves hold a few hundred neighbours each: farthest point sampling and nearest neighbours
// look at the boxes first and at few of the points. Results are exactly those of the plain loops over all points in
// float32: a box's distance is computed with the same operations as a point's, and rounding keeps their order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mt {

class PointTree {
 public:
  // points: [n, 3], finite; n below 2^32.
  explicit PointTree(std::span<const float> points);

  std::size_t size() const { return index_.size(); }

  // count of the points, at most all, each the one that is farthest from those before it (Eldar et al., "The farthest
  // point strategy", 1994): the first is start, ties go to the lowest number. When all points left lie on chosen ones,
  // the lowest number of all comes again, as in the plain loop.
  std::vector<std::uint32_t> farthest_points(std::size_t count, std::uint32_t start = 0) const;

  struct Neighbour {
    float squared_distance;
    std::uint32_t point;
    auto operator<=>(const Neighbour&) const = default;
  };
  // The count points (at most all) nearest to a place, nearest first, ties by number. out: [min(count, n)].
  void nearest(const std::array<float, 3>& place, std::span<Neighbour> out) const;

 private:
  struct Point {
    float at[3];
    std::uint32_t number;
  };
  struct Box {
    float low[3], high[3];
    float squared_distance(const std::array<float, 3>& place) const;
  };
  struct Node {
    Box box;
    std::uint32_t begin, end;  // of the points in the tree's order
    std::uint32_t left;        // 0: a leaf; the right child is the next node
  };
  void split(std::vector<Point>& points, std::uint32_t node);
  // Squared distances of points [begin, end) of the tree's order from place, to out.
  void distances(const std::array<float, 3>& place, std::uint32_t begin, std::uint32_t end, float* out) const;

  std::vector<Node> nodes_;              // the root first
  std::vector<float> x_, y_, z_;         // [n], in the tree's order
  std::vector<std::uint32_t> index_;     // the points' numbers, likewise
  std::vector<std::uint32_t> position_;  // where each number is in the tree's order
};

}  // namespace mt
