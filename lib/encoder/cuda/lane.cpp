#include "encoder/cuda/lane.h"

#include <algorithm>
#include <cstring>

namespace mt::cuda {

namespace {

constexpr std::size_t kRecordedShapes = 16;  // each graph holds some hundred steps

// Parts of one block of memory, each at a multiple of what cards like to read.
class Parts {
 public:
  std::size_t add(std::size_t bytes) {
    const std::size_t begin = end_;
    end_ += (bytes + 255) / 256 * 256;
    return begin;
  }
  std::size_t end() const { return end_; }

 private:
  std::size_t end_ = 0;
};

std::size_t whole_tiles(std::size_t rows) { return (rows + kRowTile - 1) / kRowTile * kRowTile; }
bool gathers(Pooling pooling) { return pooling == Pooling::mean || pooling == Pooling::max; }

std::vector<AttentionTile> tiles_of(std::span<const std::int64_t> offsets, std::size_t first, std::size_t last) {
  std::vector<AttentionTile> tiles;
  for (std::size_t sample = first; sample < last; ++sample) {
    const auto begin = static_cast<std::int32_t>(offsets[sample] - offsets[first]);
    const auto length = static_cast<std::int32_t>(offsets[sample + 1] - offsets[sample]);
    for (std::int32_t query = 0; query < length; query += static_cast<std::int32_t>(kQueryTile)) {
      tiles.push_back({begin, length, query});
    }
  }
  return tiles;
}

template <class T>
void copy_list(const std::vector<T>& list, std::byte* out) {
  if (!list.empty()) std::memcpy(out, list.data(), list.size() * sizeof(T));
}

}  // namespace

Lane::Lane(Card& card, const CardWeights& weights, const Architecture& architecture, Precision precision)
    : weights_(weights),
      architecture_(architecture),
      precision_(precision),
      memory_(card),
      pinned_(card),
      queue_(card.make_queue()) {}

Lane::Layout Lane::layout_of(const Shape& shape, const Architecture& a, Precision precision) {
  const std::size_t rows = whole_tiles(shape.rows), pooled = whole_tiles(shape.pooled);
  const std::size_t number = size_of(storage_of(precision));
  const std::size_t features = shape.projects ? a.projection : a.width;
  Layout layout;
  Parts card;
  layout.x = card.add(rows * a.width * sizeof(float));
  layout.delta = card.add(rows * a.width * sizeof(float));
  layout.operand = card.add(rows * a.width * number);                    // normed, then attended
  layout.wide = card.add(rows * std::max(3 * a.width, a.mlp) * number);  // queries, keys and values, then hidden
  layout.pooled = card.add(pooled * a.width * sizeof(float));
  if (shape.projects) layout.projected = card.add(pooled * a.projection * sizeof(float));
  layout.lists = card.end();
  layout.tiles = card.add(shape.tiles * sizeof(AttentionTile));
  layout.samples = card.add(shape.samples * sizeof(RowSpan));
  layout.pools = card.add(shape.pooled * sizeof(RowSpan));
  layout.list_bytes = card.end() - layout.lists;
  layout.flags = card.add(shape.samples * sizeof(std::int32_t));
  layout.bytes = card.end();
  Parts host;
  layout.pinned_tokens = host.add(shape.rows * a.width * sizeof(float));
  layout.pinned_lists = host.add(layout.list_bytes);
  layout.pinned_features = host.add(shape.pooled * features * sizeof(float));
  layout.pinned_flags = host.add(shape.samples * sizeof(std::int32_t));
  layout.pinned_bytes = host.end();
  return layout;
}

std::size_t Lane::bytes_of(std::size_t tokens, const Architecture& a, Precision precision) {
  // As many samples and rows of features as tokens, which is the most there can be.
  return layout_of({tokens, tokens, tokens, tokens, a.blocks, Pooling::tokens, true, a.projection > 0}, a, precision)
      .bytes;
}

Lane::Pools Lane::pools_of(const CardJob& job, std::size_t first, std::size_t last) {
  Pools pools;
  const auto add = [&](std::size_t row, std::size_t count, std::size_t target) {
    pools.spans.push_back({static_cast<std::int32_t>(row), static_cast<std::int32_t>(count)});
    pools.targets.push_back(target);
  };
  for (std::size_t sample = first; sample < last; ++sample) {
    if (!job.plan.reasons[sample].empty()) continue;
    const auto begin = static_cast<std::size_t>(job.offsets[sample] - job.offsets[first]),
               length = static_cast<std::size_t>(job.offsets[sample + 1] - job.offsets[sample]),
               prefix = job.options.prefix;
    const std::size_t target = job.plan.output_row[sample];
    switch (job.options.pooling) {
      case Pooling::cls:
        add(begin, 1, target);
        break;
      case Pooling::eot:
        add(begin + length - 1, 1, target);
        break;
      case Pooling::mean:
      case Pooling::max:
        add(begin + prefix, length - prefix, target);
        break;
      case Pooling::tokens:
        for (std::size_t i = prefix; i < length; ++i) add(begin + i, 1, target + i - prefix);
    }
  }
  return pools;
}

void Lane::reserve(const Layout& layout) {
  try {
    // Recorded steps know the addresses.
    if (memory_.reserve(layout.bytes)) recorded_.clear();
    pinned_.reserve(layout.pinned_bytes);
  } catch (const OutOfMemory&) {
    release();
    throw;
  }
}

void Lane::release() {
  recorded_.clear();
  memory_.release();
  pinned_.release();
  rows_ = 0;
}

void Lane::send(const CardJob& job, std::size_t first, std::size_t last, const std::vector<AttentionTile>& tiles,
                const Pools& pools, const Layout& layout) {
  const std::size_t width = architecture_.width;
  const auto begin = static_cast<std::size_t>(job.offsets[first]), end = static_cast<std::size_t>(job.offsets[last]);
  auto* tokens = on_host<float>(layout.pinned_tokens);
  std::copy(job.tokens + begin * width, job.tokens + end * width, tokens);
  queue_->copy_up(on_card(layout.x), tokens, (end - begin) * width * sizeof(float));

  std::vector<RowSpan> samples;
  for (std::size_t i = first; i < last; ++i) {
    samples.push_back({static_cast<std::int32_t>(job.offsets[i] - job.offsets[first]),
                       static_cast<std::int32_t>(job.offsets[i + 1] - job.offsets[i])});
  }
  auto* lists = on_host<std::byte>(layout.pinned_lists);
  copy_list(tiles, lists + (layout.tiles - layout.lists));
  copy_list(samples, lists + (layout.samples - layout.lists));
  copy_list(pools.spans, lists + (layout.pools - layout.lists));
  queue_->copy_up(on_card(layout.lists), lists, layout.list_bytes);
}

void Lane::queue_norm(const NormWeights* norm, float* x, const float* delta, std::size_t rows, void* y,
                      Precision numbers) {
  NormCall call;
  call.x = x;
  call.delta = delta;
  call.rows = rows;
  call.width = architecture_.width;
  if (norm != nullptr) {
    call.gain = norm->gain;
    call.bias = norm->bias;
    call.y = y;
  }
  call.eps = static_cast<float>(architecture_.eps);
  call.numbers = numbers;
  queue_->norm(call);
}

void Lane::queue_product(const LinearWeights& linear, const void* x, void* y, std::size_t rows, std::size_t inputs,
                         std::size_t outputs, Precision numbers, bool widen) {
  Product product;
  product.x = x;
  product.weight = linear.weight;
  product.bias = linear.bias;
  product.y = y;
  product.rows = whole_tiles(rows);
  product.inputs = inputs;
  product.outputs = outputs;
  product.numbers = numbers;
  product.widen = widen;
  queue_->product(product);
}

// The residual of one step is added where the next one reads it, in its norm.
void Lane::queue_block(const BlockWeights& block, bool first, const Shape& shape, const Layout& layout) {
  const std::size_t width = architecture_.width, mlp = architecture_.mlp;
  auto *x = on_card<float>(layout.x), *delta = on_card<float>(layout.delta);
  void *operand = on_card(layout.operand), *wide = on_card(layout.wide);
  queue_norm(&block.norm1, x, first ? nullptr : delta, shape.rows, operand, precision_);
  queue_product(block.qkv, operand, wide, shape.rows, width, 3 * width, precision_, false);
  AttentionCall attention;
  attention.qkv = wide;
  attention.tiles = on_card<AttentionTile>(layout.tiles);
  attention.tile_count = shape.tiles;
  attention.heads = architecture_.heads;
  attention.head_size = width / architecture_.heads;
  attention.scale = static_cast<float>(architecture_.scale);
  attention.out = operand;
  attention.numbers = precision_;
  queue_->attend(attention);
  queue_product(block.output, operand, delta, shape.rows, width, width, precision_, true);
  queue_norm(&block.norm2, x, delta, shape.rows, operand, precision_);
  queue_product(block.hidden, operand, wide, shape.rows, width, mlp, precision_, false);
  ActivationCall activation;
  activation.y = wide;
  activation.count = shape.rows * mlp;
  activation.quick = architecture_.activation == Architecture::Activation::quick_gelu;
  activation.numbers = precision_;
  queue_->activate(activation);
  queue_product(block.mlp_output, wide, delta, shape.rows, mlp, width, precision_, true);
}

// Norms work row by row: where one row is pooled, it is normed alone, after it has been picked.
void Lane::queue_pooling(const Shape& shape, const Layout& layout) {
  auto *x = on_card<float>(layout.x), *pooled = on_card<float>(layout.pooled);
  const bool norm_all =
      shape.norms && gathers(shape.pooling) && architecture_.norm == Architecture::Norm::before_pooling;
  if (norm_all) queue_norm(&weights_.norm, x, nullptr, shape.rows, x, Precision::f32);
  PoolCall pool;
  pool.x = x;
  pool.spans = on_card<RowSpan>(layout.pools);
  pool.span_count = shape.pooled;
  pool.width = architecture_.width;
  pool.maximum = shape.pooling == Pooling::max;
  pool.out = pooled;
  queue_->pool(pool);
  if (shape.norms && !norm_all) queue_norm(&weights_.norm, pooled, nullptr, shape.pooled, pooled, Precision::f32);
  if (shape.projects) {
    queue_product(weights_.projection, pooled, on_card(layout.projected), shape.pooled, architecture_.width,
                  architecture_.projection, Precision::f32, false);
  }
}

void Lane::queue_steps(const Shape& shape, const Layout& layout) {
  for (std::size_t i = 0; i < shape.layers; ++i) queue_block(weights_.blocks[i], i == 0, shape, layout);
  auto* x = on_card<float>(layout.x);
  if (shape.layers > 0) {
    queue_norm(nullptr, x, on_card<float>(layout.delta), shape.rows, nullptr, Precision::f32);
  }
  FiniteCall finite;
  finite.x = x;
  finite.spans = on_card<RowSpan>(layout.samples);
  finite.span_count = shape.samples;
  finite.width = architecture_.width;
  finite.flags = on_card<std::int32_t>(layout.flags);
  queue_->check_finite(finite);
  if (shape.pooled > 0) queue_pooling(shape, layout);
}

// A shape that comes again is recorded: some hundred launches become one.
void Lane::compute(const Shape& shape, const Layout& layout) {
  const auto known =
      std::find_if(recorded_.begin(), recorded_.end(), [&](const RecordedShape& r) { return r.shape == shape; });
  if (known == recorded_.end()) {
    queue_steps(shape, layout);
    recorded_.push_front({shape, nullptr});
    if (recorded_.size() > kRecordedShapes) recorded_.pop_back();
    return;
  }
  recorded_.splice(recorded_.begin(), recorded_, known);
  if (!known->graph) {
    queue_->begin_recording();
    try {
      queue_steps(shape, layout);
      known->graph = queue_->end_recording();
    } catch (...) {
      queue_->abandon_recording();
      throw;
    }
  }
  queue_->run(*known->graph);
}

void Lane::receive(CardJob& job, std::size_t first, std::size_t last, const Pools& pools, const Shape& shape,
                   const Layout& layout) {
  const std::size_t width = shape.projects ? architecture_.projection : architecture_.width;
  auto* features = on_host<float>(layout.pinned_features);
  auto* flags = on_host<std::int32_t>(layout.pinned_flags);
  if (shape.pooled > 0) {
    queue_->copy_down(features, on_card(shape.projects ? layout.projected : layout.pooled),
                      shape.pooled * width * sizeof(float));
  }
  queue_->copy_down(flags, on_card(layout.flags), shape.samples * sizeof(std::int32_t));
  queue_->wait();
  for (std::size_t i = 0; i < pools.targets.size(); ++i) {
    std::copy_n(features + i * width, width, job.features + pools.targets[i] * width);
  }
  for (std::size_t sample = first; sample < last; ++sample) {
    if (flags[sample - first] == 0 || !job.plan.reasons[sample].empty()) continue;
    const auto begin = static_cast<std::size_t>(job.offsets[sample]) * architecture_.width,
               end = static_cast<std::size_t>(job.offsets[sample + 1]) * architecture_.width;
    job.plan.reasons[sample] = not_finite({job.tokens + begin, end - begin});
  }
}

void Lane::run(CardJob& job, std::size_t first, std::size_t last) {
  const auto rows = static_cast<std::size_t>(job.offsets[last] - job.offsets[first]);
  if (rows == 0) return;
  const std::vector<AttentionTile> tiles = tiles_of(job.offsets, first, last);
  const Pools pools = pools_of(job, first, last);
  const Shape shape{rows,       last - first,        tiles.size(), pools.spans.size(),
                    job.layers, job.options.pooling, job.norms,    job.projects};
  const Layout layout = layout_of(shape, architecture_, precision_);
  reserve(layout);
  rows_ = std::max(rows_, rows);
  try {
    send(job, first, last, tiles, pools, layout);
    compute(shape, layout);
    receive(job, first, last, pools, shape, layout);
  } catch (...) {
    // What is queued still uses the buffers; a card that is lost has nothing under way.
    try {
      queue_->wait();
    } catch (...) {
    }
    throw;
  }
}

}  // namespace mt::cuda
