// The attention kernels as nvcc compiled them, against the same templates compiled for the host.
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "ptx_kernels/compiled.h"
#include "ptx_kernels/values.h"
#include "support/card_steps.h"

using namespace mt;
using namespace mt::cuda;
using namespace mt::test;

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kHeads = 1;  // sanitizers make the interpreter several times slower
#else
constexpr std::size_t kHeads = 2;
#endif

template <class T>
struct Batch {
  std::size_t rows = 0, heads, head_size;
  std::vector<AttentionTile> tiles;
  std::vector<T> qkv;  // [rows, 3, heads, head_size]

  Batch(std::initializer_list<std::int32_t> lengths, std::size_t head_count, std::size_t size)
      : heads(head_count), head_size(size) {
    for (const std::int32_t length : lengths) {
      for (std::int32_t query = 0; query < length; query += kQueryTile)
        tiles.push_back({static_cast<std::int32_t>(rows), length, query});
      rows += static_cast<std::size_t>(length);
    }
    qkv = rounded<T>(normal(rows * 3 * heads * head_size, size));
  }

  cuda::AttentionCall call() const {
    cuda::AttentionCall call;
    call.qkv = qkv.data();
    call.tiles = tiles.data();
    call.tile_count = tiles.size();
    call.heads = heads;
    call.head_size = head_size;
    call.scale = 1 / std::sqrt(static_cast<float>(head_size));
    call.numbers = kPrecision<T>;
    return call;
  }
  std::vector<T> on_the_host() const {
    std::vector<T> out(rows * heads * head_size);
    cuda::AttentionCall on_host = call();
    on_host.out = out.data();
    run_attention(on_host);
    return out;
  }
  std::vector<T> compiled(const ptx::Program& program) const {
    std::vector<T> out(rows * heads * head_size);
    ptx::GlobalMemory memory;
    cuda::AttentionCall on_card = call();
    on_card.qkv = memory.input(qkv);
    on_card.tiles = memory.input(tiles);
    on_card.out = memory.output(out);
    run_compiled(program, on_card, memory);
    return out;
  }
};

// Cards before 8.0, of which 7.5 alone is built for, have no products of bfloat16.
template <class T>
bool is_known_to(const ptx::Program& program) {
  return !std::is_same_v<T, BFloat16> || program.target != "sm_75";
}

// The templates on the host round each product of a sum, nvcc's fma does not. Sums of 130 weighed values near 1.
constexpr double kRoundings = 2e-6;

template <class T>
void check_agreement(const Batch<T>& batch, double absolute = kRoundings) {
  const std::vector<T> expected = batch.on_the_host();
  for (const ptx::Program& program : compiled_kernels()) {
    CAPTURE(program.target);
    if (is_known_to<T>(program))
      CHECK(worst_difference(batch.compiled(program), expected, absolute) <= 1);
    else
      CHECK_THROWS_WITH_AS(batch.compiled(program), doctest::Contains(": trap"), ptx::Fault);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("compiled attention: agrees with the templates, for each size of a head", T, float, BFloat16, Half) {
  for (const std::size_t head_size : kHeadSizes) {
    CAPTURE(head_size);
    check_agreement(Batch<T>({1, 130, 2, 63, 64, 65}, head_size == 64 ? kHeads + 1 : kHeads, head_size));
  }
}

TEST_CASE_TEMPLATE("compiled attention: tiles of keys end at 16, 32 and 33 as well", T, float, BFloat16, Half) {
  for (const std::size_t head_size : {32, 96, 128}) {
    CAPTURE(head_size);
    check_agreement(Batch<T>({16, 31, 32, 33, 17, 15}, 1, head_size));
  }
}

TEST_CASE_TEMPLATE(
    "compiled attention: mates that are NaN or infinite stay away, and large scores, -infinity and NaN go "
    "through",
    T, float, BFloat16, Half) {
  Batch<T> batch({65, 3, 70, 66}, 2, 64);
  const std::size_t row = 3 * batch.heads * batch.head_size, head_size = batch.head_size;
  const auto rows_of = [&](std::size_t first, std::size_t count) {
    return std::span(batch.qkv).subspan(first * row, count * row);
  };
  for (T& x : rows_of(65, 2)) x = narrow<T>(kNaN);
  for (T& x : rows_of(67, 1)) x = narrow<T>(kInfinity);
  for (T& x : rows_of(68, 70)) x = narrow<T>(30 * widen(x));
  for (std::size_t key = 138; key < 138 + 64; ++key) {
    rows_of(key, 1)[0] = narrow<T>(1);  // of every query
    rows_of(key, 1)[batch.heads * head_size] =
        narrow<T>(-kInfinity);  // of the first tile's keys: head 0 has none of it
  }
  rows_of(203, 1)[batch.heads * head_size + head_size] = narrow<T>(kNaN);  // a key of head 1
  // Scores of some thousands are off by 2^-12 after a rounding or two, and so are weights, by that part of them.
  check_agreement(batch, 1e-3);
}
