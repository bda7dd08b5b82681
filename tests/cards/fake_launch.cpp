// The kernels' starts (cuda/launch.h): they run thread by thread when their stream is waited for.
#include "launch.h"

#include "fake.h"
#include "support/card_steps.h"

namespace mt::cuda {

namespace {

using fake::Range;

// How far the rows of a batch go is known to the lists alone; at least they begin in the card's memory.
constexpr std::size_t kSomewhere = 1;

template <class Call>
cudaError_t start(const char* name, const Call& call, void (*run)(const Call&, test::Order), cudaStream_t stream,
                  std::vector<std::pair<const void*, std::size_t>> operands) {
  fake::Step step{name, {}, [=] { run(call, test::Order::ascending); }};
  for (const auto& [begin, bytes] : operands) {
    if (begin != nullptr) step.ranges.push_back({begin, bytes, fake::card_of(stream)});
  }
  return fake::start(stream, std::move(step));
}

std::size_t bytes_of(Precision numbers) { return numbers == Precision::f32 ? 4 : 2; }

}  // namespace

cudaError_t launch_norm(const NormCall& c, cudaStream_t stream) {
  const std::size_t count = c.rows * c.width, width_bytes = c.width * sizeof(float);
  return start("norm", c, test::run_norm, stream,
               {{c.x, count * sizeof(float)},
                {c.delta, count * sizeof(float)},
                {c.gain, width_bytes},
                {c.bias, width_bytes},
                {c.y, count * bytes_of(c.numbers)}});
}

cudaError_t launch_activation(const ActivationCall& c, cudaStream_t stream) {
  return start("activation", c, test::run_activation, stream, {{c.y, c.count * bytes_of(c.numbers)}});
}

cudaError_t launch_attention(const AttentionCall& c, cudaStream_t stream) {
  return start("attention", c, test::run_attention, stream,
               {{c.qkv, kSomewhere}, {c.tiles, c.tile_count * sizeof(AttentionTile)}, {c.out, kSomewhere}});
}

cudaError_t launch_pool(const PoolCall& c, cudaStream_t stream) {
  return start(
      "pool", c, test::run_pool, stream,
      {{c.x, kSomewhere}, {c.spans, c.span_count * sizeof(RowSpan)}, {c.out, c.span_count * c.width * sizeof(float)}});
}

cudaError_t launch_finite(const FiniteCall& c, cudaStream_t stream) {
  return start(
      "finite", c, test::run_finite, stream,
      {{c.x, kSomewhere}, {c.spans, c.span_count * sizeof(RowSpan)}, {c.flags, c.span_count * sizeof(std::int32_t)}});
}

}  // namespace mt::cuda
