#include "heads/neighbours.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"
#include "kernels/gemm.h"

namespace mt {

namespace {

constexpr std::size_t kBlock = 1024;  // neighbours compared at once: 3 MiB of 768 float32 features
constexpr std::size_t kSpare = 16;    // candidates beyond k that float32 rounding may have put in the wrong order

}  // namespace

std::string_view name_of(Vote vote) { return vote == Vote::uniform ? "uniform" : "distance"; }

Vote vote_named(std::string_view name) {
  for (const Vote vote : {Vote::uniform, Vote::distance}) {
    if (name == name_of(vote)) return vote;
  }
  throw Error(name, "is not a way to vote", "use uniform or distance");
}

NeighboursHead::NeighboursHead(HeadDescription description, Tensor neighbours, Tensor labels, Settings settings)
    : Head(std::move(description)),
      neighbours_(std::move(neighbours)),
      labels_(std::move(labels)),
      settings_(settings) {
  prepare();
}

NeighboursHead::NeighboursHead(HeadDescription description, const Part& part)
    : Head(std::move(description)),
      neighbours_(head_tensor(part, "neighbours")),
      labels_(head_tensor(part, "neighbour_labels")) {
  settings_.k = config_value<std::size_t>(part.config, "k");
  settings_.distance = distance_named(config_value<std::string>(part.config, "distance"));
  settings_.vote = vote_named(config_value<std::string>(part.config, "vote"));
  prepare();
}

void NeighboursHead::prepare() {
  const std::size_t count = neighbours_.rows();
  const bool float_type = neighbours_.dtype() == DType::f32 || neighbours_.dtype() == DType::f16;
  if (neighbours_.shape() != Shape{count, feature_width()} || !float_type || labels_.shape() != Shape{count} ||
      labels_.dtype() != DType::i32) {
    throw Error("head", fmt::format("neighbours is {} {} and neighbour_labels {} {}, not float [N, {}] and int32 [N]",
                                    name_of(neighbours_.dtype()), to_string(neighbours_.shape()),
                                    name_of(labels_.dtype()), to_string(labels_.shape()), feature_width()));
  }
  if (settings_.k == 0 || settings_.k > count) {
    throw Error("head", fmt::format("asks for {} neighbours of {} samples", settings_.k, count), "use another --k");
  }
  for (const std::int32_t label : std::as_const(labels_).as<std::int32_t>()) {
    if (label >= 0 && static_cast<std::size_t>(label) < class_names().size()) continue;
    throw Error("head", fmt::format("neighbour_labels has class {} of {}", label, class_names().size()));
  }
  square_.resize(count);
  std::vector<float> rows(kBlock * feature_width());
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = std::min(count, begin + kBlock);
    load(begin, end, rows.data());
    for (std::size_t i = begin; i < end; ++i) {
      const float* row = rows.data() + (i - begin) * feature_width();
      double sum = 0;
      for (std::size_t d = 0; d < feature_width(); ++d) sum += static_cast<double>(row[d]) * row[d];
      square_[i] = sum;
    }
  }
}

void NeighboursHead::load(std::size_t begin, std::size_t end, float* rows) const {
  const std::size_t width = feature_width();
  if (neighbours_.dtype() == DType::f32) {
    const auto values = neighbours_.as<float>().subspan(begin * width, (end - begin) * width);
    std::copy(values.begin(), values.end(), rows);
  } else {
    const auto values = neighbours_.as<Half>().subspan(begin * width, (end - begin) * width);
    std::transform(values.begin(), values.end(), rows, [](Half value) { return to_float(value); });
  }
}

// The nearest k + kSpare of each row of x by float32 products, which the caller ranks exactly.
std::vector<std::vector<NeighboursHead::Candidate>> NeighboursHead::candidates(const float* x) const {
  const std::size_t count = neighbours_.rows(), width = feature_width();
  const std::size_t wanted = std::min(count, settings_.k + kSpare);
  const bool copy = neighbours_.dtype() != DType::f32;
  std::vector<std::vector<Candidate>> found(kTile);
  std::vector<float> converted(copy ? kBlock * width : 0), products(kTile * kBlock);
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t end = std::min(count, begin + kBlock);
    const float* rows = converted.data();
    if (copy)
      load(begin, end, converted.data());
    else
      rows = neighbours_.as<float>().data() + begin * width;
    gemm(kTile, end - begin, width, {x, width}, {rows, width, OperandForm::transposed}, products.data(), kBlock);
    for (std::size_t r = 0; r < kTile; ++r) {
      std::vector<Candidate>& heap = found[r];  // the farthest on top
      for (std::size_t i = begin; i < end; ++i) {
        const double product = products[r * kBlock + i - begin];
        // Less |x|^2 (euclidean), or less a factor |x| (cosine), which are the same for all neighbours.
        const double distance = settings_.distance == Distance::euclidean ? square_[i] - 2 * product
                                : square_[i] > 0                          ? -product / std::sqrt(square_[i])
                                                                          : 0;
        if (heap.size() == wanted && !(Candidate{distance, i} < heap.front())) continue;
        if (heap.size() == wanted) {
          std::pop_heap(heap.begin(), heap.end());
          heap.pop_back();
        }
        heap.push_back({distance, i});
        std::push_heap(heap.begin(), heap.end());
      }
    }
  }
  return found;
}

// Exact distances in double precision, the nearest k first.
void NeighboursHead::rank(const float* x, std::vector<Candidate>& found) const {
  const std::size_t width = feature_width();
  std::vector<float> row(width);
  double square = 0;
  for (std::size_t d = 0; d < width; ++d) square += static_cast<double>(x[d]) * x[d];
  for (Candidate& candidate : found) {
    load(candidate.neighbour, candidate.neighbour + 1, row.data());
    double sum = 0;
    if (settings_.distance == Distance::euclidean) {
      for (std::size_t d = 0; d < width; ++d) {
        const double difference = static_cast<double>(x[d]) - row[d];
        sum += difference * difference;
      }
      candidate.distance = std::sqrt(sum);
    } else {
      for (std::size_t d = 0; d < width; ++d) sum += static_cast<double>(x[d]) * row[d];
      const double lengths = std::sqrt(square * square_[candidate.neighbour]);
      candidate.distance = lengths > 0 ? std::max(0.0, 1 - sum / lengths) : 1;
    }
  }
  std::sort(found.begin(), found.end());
  found.resize(settings_.k);
}

void NeighboursHead::scores_of_tile(const float* x, float* scores) const {
  const std::size_t classes = class_names().size();
  auto found = candidates(x);
  const auto labels = labels_.as<std::int32_t>();
  std::vector<double> votes(classes);
  for (std::size_t r = 0; r < kTile; ++r) {
    rank(x + r * feature_width(), found[r]);
    const bool exact = found[r].front().distance == 0;  // then only the neighbours at distance 0 vote
    std::fill(votes.begin(), votes.end(), 0.0);
    double sum = 0;
    for (const Candidate& candidate : found[r]) {
      double weight = 1;
      if (settings_.vote == Vote::distance) {
        weight = exact ? (candidate.distance == 0 ? 1 : 0) : 1 / candidate.distance;
      }
      votes[static_cast<std::size_t>(labels[candidate.neighbour])] += weight;
      sum += weight;
    }
    for (std::size_t c = 0; c < classes; ++c) scores[r * classes + c] = static_cast<float>(votes[c] / sum);
  }
}

void NeighboursHead::logits_of_tile(const float* x, float* logits) const {
  scores_of_tile(x, logits);
  for (std::size_t i = 0; i < kTile * class_names().size(); ++i) logits[i] = std::log(std::max(logits[i], 1e-7F));
}

void NeighboursHead::describe(Part& part) const {
  part.config["k"] = settings_.k;
  part.config["distance"] = name_of(settings_.distance);
  part.config["vote"] = name_of(settings_.vote);
  part.tensors.emplace("neighbours", neighbours_);
  part.tensors.emplace("neighbour_labels", labels_);
}

}  // namespace mt
