#include "tokenize/point_cloud/point_tree.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace mt {

namespace {

constexpr std::size_t kLeaf = 256;       // points: enough for a vector loop, few enough to be worth skipping
constexpr std::size_t kLeastShare = 16;  // a side with less than 1/16 of the points makes the tree deep for nothing
constexpr float kFar = std::numeric_limits<float>::infinity();

}  // namespace

float PointTree::Box::squared_distance(const std::array<float, 3>& place) const {
  float d[3];
  for (std::size_t axis = 0; axis < 3; ++axis) {
    d[axis] = std::max({low[axis] - place[axis], place[axis] - high[axis], 0.0F});
  }
  return d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
}

PointTree::PointTree(std::span<const float> points) {
  const std::size_t n = points.size() / 3;
  if (points.size() % 3 != 0 || n >= std::numeric_limits<std::uint32_t>::max()) {
    throw std::logic_error("PointTree: not points of three coordinates");
  }
  std::vector<Point> order(n);
  for (std::size_t i = 0; i < n; ++i) {
    order[i] = {{points[3 * i], points[3 * i + 1], points[3 * i + 2]}, static_cast<std::uint32_t>(i)};
  }
  nodes_.reserve(n / (kLeaf / 4) + 2);
  nodes_.push_back({{}, 0, static_cast<std::uint32_t>(n), 0});
  for (std::uint32_t node = 0; node < nodes_.size(); ++node) split(order, node);  // appends the children

  x_.resize(n);
  y_.resize(n);
  z_.resize(n);
  index_.resize(n);
  position_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    x_[i] = order[i].at[0];
    y_[i] = order[i].at[1];
    z_[i] = order[i].at[2];
    index_[i] = order[i].number;
    position_[order[i].number] = static_cast<std::uint32_t>(i);
  }
}

// Halves a node with many points near the mean of its longest side.
void PointTree::split(std::vector<Point>& points, std::uint32_t node) {
  const std::uint32_t begin = nodes_[node].begin, end = nodes_[node].end;
  Box box{{kFar, kFar, kFar}, {-kFar, -kFar, -kFar}};
  double sum[3] = {};
  for (std::uint32_t i = begin; i < end; ++i) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const float at = points[i].at[axis];
      box.low[axis] = std::min(box.low[axis], at);
      box.high[axis] = std::max(box.high[axis], at);
      sum[axis] += at;
    }
  }
  nodes_[node].box = box;
  const std::uint32_t count = end - begin;
  if (count <= kLeaf) return;
  std::size_t axis = 0;
  for (std::size_t other : {1, 2}) {
    if (box.high[other] - box.low[other] > box.high[axis] - box.low[axis]) axis = other;
  }
  if (!(box.high[axis] > box.low[axis])) return;  // all in one place

  const auto first = points.begin() + begin, last = points.begin() + end;
  const auto mean = static_cast<float>(sum[axis] / count);
  auto middle = std::partition(first, last, [&](const Point& point) { return point.at[axis] < mean; });
  if (std::min(middle - first, last - middle) < static_cast<std::ptrdiff_t>(count / kLeastShare)) {
    middle = first + count / 2;
    std::nth_element(first, middle, last, [&](const Point& a, const Point& b) { return a.at[axis] < b.at[axis]; });
  }
  const auto cut = static_cast<std::uint32_t>(middle - points.begin());
  nodes_[node].left = static_cast<std::uint32_t>(nodes_.size());
  nodes_.push_back({{}, begin, cut, 0});
  nodes_.push_back({{}, cut, end, 0});
}

void PointTree::distances(const std::array<float, 3>& place, std::uint32_t begin, std::uint32_t end, float* out) const {
  const float *x = x_.data() + begin, *y = y_.data() + begin, *z = z_.data() + begin;
  const std::size_t count = end - begin;
  for (std::size_t i = 0; i < count; ++i) {
    const float dx = x[i] - place[0], dy = y[i] - place[1], dz = z[i] - place[2];
    out[i] = dx * dx + dy * dy + dz * dz;
  }
}

std::vector<std::uint32_t> PointTree::farthest_points(std::size_t count, std::uint32_t start) const {
  count = std::min(count, size());
  if (count == 0) return {};
  struct Leaf {
    const Node* node;
    float farthest = kFar;  // of its points from the chosen ones
    std::uint32_t point;    // the lowest number of those that far
  };
  std::vector<Leaf> leaves;
  std::uint32_t largest = 0;
  for (const Node& node : nodes_) {
    if (node.left != 0) continue;
    leaves.push_back({&node, kFar, *std::min_element(index_.begin() + node.begin, index_.begin() + node.end)});
    largest = std::max(largest, node.end - node.begin);
  }
  std::vector<float> far(size(), kFar), now(largest);
  std::vector<std::uint32_t> chosen = {start};
  while (chosen.size() < count) {
    const std::uint32_t last = position_[chosen.back()];
    const std::array<float, 3> place = {x_[last], y_[last], z_[last]};
    const Leaf* best = leaves.data();
    for (Leaf& leaf : leaves) {
      const auto [box, begin, end, left] = *leaf.node;
      if (box.squared_distance(place) < leaf.farthest) {  // else no point of it comes nearer
        distances(place, begin, end, now.data());
        float farthest = 0;
        for (std::uint32_t i = begin; i < end; ++i) {
          far[i] = std::min(far[i], now[i - begin]);
          farthest = std::max(farthest, far[i]);
        }
        std::uint32_t lowest = std::numeric_limits<std::uint32_t>::max();
        for (std::uint32_t i = begin; i < end; ++i) {
          if (far[i] == farthest) lowest = std::min(lowest, index_[i]);
        }
        leaf.farthest = farthest;
        leaf.point = lowest;
      }
      if (leaf.farthest > best->farthest || (leaf.farthest == best->farthest && leaf.point < best->point)) best = &leaf;
    }
    chosen.push_back(best->point);
  }
  return chosen;
}

void PointTree::nearest(const std::array<float, 3>& place, std::span<Neighbour> out) const {
  if (out.size() > size()) throw std::logic_error("PointTree::nearest: more neighbours than points");
  if (out.empty()) return;
  struct Visit {
    std::uint32_t node;
    float squared_distance;
  };
  std::vector<Visit> open = {{0, nodes_[0].box.squared_distance(place)}};
  std::vector<float> found(kLeaf);
  std::size_t filled = 0;
  while (!open.empty()) {
    const Visit visit = open.back();
    open.pop_back();
    // A box as far as the worst may hold a lower number.
    if (filled == out.size() && visit.squared_distance > out.back().squared_distance) continue;
    const Node& node = nodes_[visit.node];
    if (node.left != 0) {
      Visit near{node.left, nodes_[node.left].box.squared_distance(place)};
      Visit far{node.left + 1, nodes_[node.left + 1].box.squared_distance(place)};
      if (far.squared_distance < near.squared_distance) std::swap(near, far);
      open.push_back(far);
      open.push_back(near);
      continue;
    }
    if (found.size() < node.end - node.begin) found.resize(node.end - node.begin);
    distances(place, node.begin, node.end, found.data());
    for (std::uint32_t i = node.begin; i < node.end; ++i) {
      const Neighbour candidate{found[i - node.begin], index_[i]};
      if (filled == out.size() && !(candidate < out.back())) continue;
      if (filled < out.size()) ++filled;
      const auto at = std::lower_bound(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(filled - 1), candidate);
      std::move_backward(at, out.begin() + static_cast<std::ptrdiff_t>(filled - 1),
                         out.begin() + static_cast<std::ptrdiff_t>(filled));
      *at = candidate;
    }
  }
}

}  // namespace mt
