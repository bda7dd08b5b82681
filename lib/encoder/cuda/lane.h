// One way through a card: a queue, its buffers, and the steps of the blocks for one batch at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "encoder/cuda/card_memory.h"
#include "encoder/cuda/card_weights.h"
#include "encoder/encode_plan.h"
#include "encoder/encoder.h"

namespace mt::cuda {

// One call of Encoder::encode.
struct CardJob {
  const float* tokens = nullptr;  // [offsets.back(), width]
  std::span<const std::int64_t> offsets;
  EncodeOptions options;
  std::size_t layers = 0;
  bool norms = false, projects = false;
  SamplePlan plan;            // the lane adds reasons
  float* features = nullptr;  // [plan.output_rows(), feature width]
};

class Lane {
 public:
  Lane(Card& card, const CardWeights& weights, const Architecture& architecture, Precision precision);

  // Computes samples [first, last) of the job. Throws OutOfMemory: its buffers are freed, and fewer rows may fit.
  void run(CardJob& job, std::size_t first, std::size_t last);

  // Rows that are tried at once; the encoder lowers it when memory runs out.
  std::size_t row_limit = SIZE_MAX;
  // Of the largest batch for which it holds buffers.
  std::size_t rows() const { return rows_; }
  // Gives its buffers back; nothing is under way between two batches.
  void release();

  // The card's memory that a batch of so many tokens takes.
  static std::size_t bytes_of(std::size_t tokens, const Architecture& architecture, Precision precision);

 private:
  // What the steps of a batch depend on; they are the same for two batches of the same shape.
  struct Shape {
    std::size_t rows = 0, samples = 0, tiles = 0, pooled = 0, layers = 0;
    Pooling pooling = Pooling::cls;
    bool norms = false, projects = false;
    bool operator==(const Shape&) const = default;
  };
  // Where things lie in the card's memory, and in the host's.
  struct Layout {
    std::size_t x = 0, delta = 0, operand = 0, wide = 0, pooled = 0, projected = 0;
    std::size_t lists = 0, tiles = 0, samples = 0, pools = 0, flags = 0, bytes = 0;
    std::size_t pinned_tokens = 0, pinned_lists = 0, pinned_features = 0, pinned_flags = 0, pinned_bytes = 0;
    std::size_t list_bytes = 0;
  };
  // Which rows of a batch become which row of the features.
  struct Pools {
    std::vector<RowSpan> spans;
    std::vector<std::size_t> targets;
  };
  struct RecordedShape {
    Shape shape;
    std::unique_ptr<Graph> graph;  // null: seen once
  };

  static Layout layout_of(const Shape& shape, const Architecture& architecture, Precision precision);
  static Pools pools_of(const CardJob& job, std::size_t first, std::size_t last);
  void reserve(const Layout& layout);
  void send(const CardJob& job, std::size_t first, std::size_t last, const std::vector<AttentionTile>& tiles,
            const Pools& pools, const Layout& layout);
  void compute(const Shape& shape, const Layout& layout);
  void queue_steps(const Shape& shape, const Layout& layout);
  void queue_block(const BlockWeights& block, bool first, const Shape& shape, const Layout& layout);
  void queue_pooling(const Shape& shape, const Layout& layout);
  void queue_norm(const NormWeights* norm, float* x, const float* delta, std::size_t rows, void* y, Precision numbers);
  void queue_product(const LinearWeights& linear, const void* x, void* y, std::size_t rows, std::size_t inputs,
                     std::size_t outputs, Precision numbers, bool widen);
  void receive(CardJob& job, std::size_t first, std::size_t last, const Pools& pools, const Shape& shape,
               const Layout& layout);

  template <class T = void>
  T* on_card(std::size_t offset) const {
    return reinterpret_cast<T*>(memory_.as<std::byte>() + offset);
  }
  template <class T>
  T* on_host(std::size_t offset) const {
    return reinterpret_cast<T*>(pinned_.as<std::byte>() + offset);
  }

  const CardWeights& weights_;
  const Architecture& architecture_;
  Precision precision_;
  CardMemory memory_;
  PinnedMemory pinned_;
  std::size_t rows_ = 0;
  std::unique_ptr<Queue> queue_;
  std::list<RecordedShape> recorded_;  // the last ones used, latest first
};

}  // namespace mt::cuda
