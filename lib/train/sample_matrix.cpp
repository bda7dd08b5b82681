#include "train/sample_matrix.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mt {

namespace {

constexpr std::uint64_t kChunkBytes = std::uint64_t{32} << 20;    // of one read; two wait while one is worked on
constexpr std::size_t kRowsInMemory = 256 * SampleMatrix::kTile;  // between two safe points

struct Chunk {
  std::size_t first = 0, count = 0;
  std::vector<float> rows;
};

// Stops and joins the reading thread whichever way the consumer leaves.
class Reading {
 public:
  Reading(BoundedQueue<Chunk>& queue, std::thread thread) : queue_(queue), thread_(std::move(thread)) {}
  ~Reading() {
    queue_.close();
    thread_.join();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  BoundedQueue<Chunk>& queue_;
  std::thread thread_;
};

}  // namespace

SampleMatrix::SampleMatrix(FeatureSet& set, std::vector<std::size_t> order, std::uint64_t memory_limit,
                           ThreadPool& pool)
    : set_(set), order_(std::move(order)), pool_(pool) {
  const std::uint64_t row_bytes = std::uint64_t{width()} * sizeof(float);
  if (size() > memory_limit / row_bytes) return;
  Tensor all(DType::f32, {size(), width()});
  float* to = all.as<float>().data();
  stream(0, size(), [&](std::size_t first, const float* rows, std::size_t count) {
    std::copy_n(rows, count * width(), to + first * width());
  });
  memory_ = std::move(all);
}

void SampleMatrix::load(std::size_t begin, std::size_t end, float* out) {
  set_.read(std::span(order_).subspan(begin, end - begin), out);
  if (standardisation_) standardisation_->apply(out, out, end - begin);
}

void SampleMatrix::stream(std::size_t begin, std::size_t end, const Visitor& visitor) {
  const std::size_t rows = std::max<std::size_t>(1, kChunkBytes / (width() * sizeof(float) * kTile)) * kTile;
  BoundedQueue<Chunk> queue(1);
  const Reading reading(queue, std::thread([&] {
                          try {
                            for (std::size_t first = begin; first < end; first += rows) {
                              Chunk chunk{first, std::min(rows, end - first), {}};
                              chunk.rows.resize(chunk.count * width());
                              load(first, first + chunk.count, chunk.rows.data());
                              if (!queue.push(std::move(chunk))) return;
                            }
                            queue.close();
                          } catch (...) {
                            queue.fail(std::current_exception());
                          }
                        }));
  while (const auto chunk = queue.pop()) {
    throw_if_interrupted();
    visitor(chunk->first, chunk->rows.data(), chunk->count);
  }
}

void SampleMatrix::visit(std::size_t begin, std::size_t end, const Visitor& visitor) {
  if (begin >= end) return;
  if (!memory_) return stream(begin, end, visitor);
  const float* rows = std::as_const(*memory_).as<float>().data();
  for (std::size_t first = begin; first < end; first += kRowsInMemory) {
    throw_if_interrupted();
    visitor(first, rows + first * width(), std::min(kRowsInMemory, end - first));
  }
}

Moments SampleMatrix::measure(std::size_t begin, std::size_t end) {
  Moments all(width());
  struct Bad {
    std::size_t position, feature;
    float value;
  };
  std::optional<Bad> bad;
  visit(begin, end, [&](std::size_t first, const float* rows, std::size_t count) {
    const std::size_t tiles = (count + kTile - 1) / kTile;
    // A few tiles at a time: each holds two vectors of doubles, merged in order.
    constexpr std::size_t kAtOnce = 64;
    for (std::size_t base = 0; base < tiles && !bad; base += kAtOnce) {
      std::vector<Moments> parts(std::min(kAtOnce, tiles - base), Moments(width()));
      std::vector<std::optional<Bad>> found(parts.size());
      pool_.parallel_for(parts.size(), [&](std::size_t part, std::size_t) {
        const std::size_t row = (base + part) * kTile, here = std::min(kTile, count - row);
        const std::span<const float> values(rows + row * width(), here * width());
        const auto strange = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
        if (strange != values.end()) {
          const auto i = static_cast<std::size_t>(strange - values.begin());
          found[part] = Bad{first + row + i / width(), i % width(), *strange};
        }
        parts[part].add(values.data(), here);
      });
      for (const Moments& part : parts) all.add(part);
      for (const auto& one : found) {
        if (one && !bad) bad = one;
      }
    }
  });
  if (bad) {
    throw Error(describe(bad->position), fmt::format("feature {} is {}", bad->feature, bad->value),
                "encode it again, or leave the sample out with mt-cat");
  }
  return all;
}

void SampleMatrix::standardise(const Standardisation& standardisation) {
  if (standardisation_) throw std::logic_error("sample matrix: standardised twice");
  standardisation_ = standardisation;
  if (!memory_) return;
  float* rows = memory_->as<float>().data();
  pool_.parallel_for((size() + kTile - 1) / kTile, [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * kTile, count = std::min(kTile, size() - first);
    standardisation.apply(rows + first * width(), rows + first * width(), count);
  });
}

void SampleMatrix::gather(std::span<const std::size_t> positions, float* out) {
  if (!memory_) {
    std::vector<std::size_t> samples;
    samples.reserve(positions.size());
    for (const std::size_t position : positions) samples.push_back(order_[position]);
    set_.read(samples, out);
    if (standardisation_) standardisation_->apply(out, out, positions.size());
    return;
  }
  const float* rows = std::as_const(*memory_).as<float>().data();
  for (std::size_t i = 0; i < positions.size(); ++i)
    std::copy_n(rows + positions[i] * width(), width(), out + i * width());
}

}  // namespace mt
