// Samples in a chosen order as rows of float32: in memory where they fit, else streamed from their files. Results do
// not depend on which.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"
#include "base/threads.h"
#include "heads/standardisation.h"
#include "train/feature_set.h"

namespace mt {

class SampleMatrix {
 public:
  // order: numbers in the set; position p below means sample order[p]. Loads everything when it fits memory_limit
  // bytes.
  SampleMatrix(FeatureSet& set, std::vector<std::size_t> order, std::uint64_t memory_limit, ThreadPool& pool);

  std::size_t size() const { return order_.size(); }
  std::size_t width() const { return set_.width(); }
  std::int32_t label(std::size_t position) const { return set_.label(order_[position]); }
  bool in_memory() const { return memory_.has_value(); }
  // "FILE: ID".
  std::string describe(std::size_t position) { return set_.describe(order_[position]); }

  // Mean and variance of positions [begin, end). Throws Error naming the first sample with a value that is not finite.
  Moments measure(std::size_t begin, std::size_t end);
  // From here on rows come standardised. Once.
  void standardise(const Standardisation& standardisation);

  // Calls visit(first position, rows [count, width], count) for all of [begin, end) in order. Chunks begin at multiples
  // of kTile rows after begin, so that callers that work on tiles of kTile rows meet the same tiles always. Asks for
  // interruption between chunks.
  static constexpr std::size_t kTile = 256;
  using Visitor = std::function<void(std::size_t first, const float* rows, std::size_t count)>;
  void visit(std::size_t begin, std::size_t end, const Visitor& visitor);

  // Rows at the given positions, [positions, width], overwritten.
  void gather(std::span<const std::size_t> positions, float* out);

  ThreadPool& pool() { return pool_; }

 private:
  void stream(std::size_t begin, std::size_t end, const Visitor& visitor);
  void load(std::size_t begin, std::size_t end, float* out);  // standardised when that is set

  FeatureSet& set_;
  std::vector<std::size_t> order_;
  ThreadPool& pool_;
  std::optional<Tensor> memory_;
  std::optional<Standardisation> standardisation_;
};

}  // namespace mt
