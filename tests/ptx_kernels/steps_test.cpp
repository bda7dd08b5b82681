// The other kernels as nvcc compiled them, against the same templates compiled for the host.
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "ptx_kernels/compiled.h"
#include "ptx_kernels/values.h"
#include "support/card_steps.h"

using namespace mt;
using namespace mt::cuda;
using namespace mt::test;

namespace {

// How a norm is called: what is there, and where the result goes.
enum class Result : std::uint8_t { apart, in_x, none };

template <class T>
void check_norm(std::size_t rows, std::size_t width, bool adds, Result result) {
  CAPTURE(rows);
  CAPTURE(width);
  CAPTURE(adds);
  const std::vector<float> x = normal(rows * width, 1), delta = normal(rows * width, 2),
                           gain = normal(width, 3, 1, 0.2f), bias = normal(width, 4);
  std::vector<float> host_x = x;
  std::vector<T> host_y(result == Result::apart ? x.size() : 0);
  NormCall call;
  call.x = host_x.data();
  call.delta = adds ? delta.data() : nullptr;
  call.rows = rows;
  call.width = width;
  call.gain = gain.data();
  call.bias = bias.data();
  call.eps = 1e-6f;
  call.numbers = kPrecision<T>;
  const auto y_of = [&](float* x_pointer, T* y_pointer) -> void* {
    if (result == Result::in_x) return x_pointer;
    return result == Result::apart ? y_pointer : nullptr;
  };
  call.y = y_of(host_x.data(), host_y.data());
  run_norm(call);
  for (const ptx::Program& program : compiled_kernels()) {
    CAPTURE(program.target);
    ptx::GlobalMemory memory;
    std::vector<float> card_x = x;
    std::vector<T> card_y(host_y.size());
    NormCall on_card = call;
    // Without a delta, and a result elsewhere, x is not to be written.
    on_card.x = adds || result == Result::in_x ? memory.in_place(card_x) : const_cast<float*>(memory.input(card_x));
    on_card.delta = adds ? memory.input(delta) : nullptr;
    on_card.gain = memory.input(gain);
    on_card.bias = memory.input(bias);
    on_card.y = y_of(on_card.x, memory.output(card_y));
    run_compiled(program, on_card, memory);
    // nvcc's fma rounds once less: some steps of float32 for numbers up to 5.
    if (result == Result::in_x)
      CHECK(worst_difference(card_x, host_x, 4e-6) <= 1);
    else
      CHECK(same_bytes(card_x, host_x));
    CHECK(worst_difference(card_y, host_y, 4e-6) <= 1);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("compiled norm: agrees with the template, with and without a sum before", T, float, BFloat16, Half) {
  for (const bool adds : {false, true}) {
    for (const std::size_t width : {4, 12, 128, 768, 1028}) check_norm<T>(9, width, adds, Result::apart);
    check_norm<T>(1, 12288, adds, Result::apart);  // a row takes all that a block has
    check_norm<T>(2, kMostNormWidth, adds, Result::apart);
  }
}

TEST_CASE("compiled norm: adds alone without y, and y may be x") {
  check_norm<float>(5, 64, true, Result::none);
  check_norm<BFloat16>(5, 64, true, Result::none);
  check_norm<float>(17, 100, true, Result::in_x);
  check_norm<float>(17, 100, false, Result::in_x);
}

TEST_CASE_TEMPLATE("compiled activation: agrees with the template, both kinds", T, float, BFloat16, Half) {
  // 2 blocks, the second one for the most part empty; infinities, NaN and what underflows.
  std::vector<float> values(8 * 260);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = -12 + 24 * static_cast<float>(i) / static_cast<float>(values.size());
  const float special[] = {kInfinity, -kInfinity, kNaN, 0, -0.0f, -200, 200, 1e-30f};
  std::copy(std::begin(special), std::end(special), values.begin() + 16);
  for (const bool quick : {false, true}) {
    CAPTURE(quick);
    std::vector<T> host = rounded<T>(values);
    const std::vector<T> before = host;
    const ActivationCall call{host.data(), host.size(), quick, kPrecision<T>};
    run_activation(call);
    for (const ptx::Program& program : compiled_kernels()) {
      CAPTURE(program.target);
      ptx::GlobalMemory memory;
      std::vector<T> card = before;
      ActivationCall on_card = call;
      on_card.y = memory.in_place(card);
      run_compiled(program, on_card, memory);
      // CUDA's erff and the host's are within 2 steps of float32 near 1, times half of up to 12.
      CHECK(worst_difference(card, host, 1.5e-6) <= 1);
    }
  }
}

TEST_CASE("compiled pool: the mean and the maximum are the template's to the byte") {
  const std::size_t width = 130;  // two blocks of columns
  std::vector<float> x = normal(64 * width, 5);
  x[8 * width + 3] = kNaN;  // the maximum and the mean have their own ways with it
  x[5 * width + 4] = kNaN;
  x[9 * width + 5] = -kInfinity;
  // nvcc takes several rows a turn of the loop, then the rest.
  const std::vector<RowSpan> spans{{0, 7}, {7, 1}, {63, 1}, {5, 59}, {3, 2}, {2, 3}, {2, 4}, {2, 5}, {1, 32}};
  for (const bool maximum : {false, true}) {
    CAPTURE(maximum);
    std::vector<float> host(spans.size() * width);
    const PoolCall call{x.data(), spans.data(), spans.size(), width, maximum, host.data()};
    run_pool(call);
    for (const ptx::Program& program : compiled_kernels()) {
      CAPTURE(program.target);
      ptx::GlobalMemory memory;
      std::vector<float> card(host.size());
      PoolCall on_card = call;
      on_card.x = memory.input(x);
      on_card.spans = memory.input(spans);
      on_card.out = memory.output(card);
      run_compiled(program, on_card, memory);
      CHECK(worst_difference(card, host, 0) == 0);  // bytes, but for those of a NaN
    }
  }
}

TEST_CASE("compiled finite: finds a NaN or an infinity in the rows of its span alone") {
  const std::size_t width = 70;
  const std::vector<RowSpan> spans{{0, 3}, {3, 6}, {9, 1}, {10, 0}};
  const std::vector<float> clean = normal(10 * width, 6, 0, 1e30f);
  for (const ptx::Program& program : compiled_kernels()) {
    CAPTURE(program.target);
    const auto flags = [&](const std::vector<float>& x) {
      ptx::GlobalMemory memory;
      std::vector<std::int32_t> found(spans.size(), 7);
      run_compiled(program, FiniteCall{memory.input(x), memory.input(spans), spans.size(), width, memory.output(found)},
                   memory);
      return found;
    };
    CHECK(flags(clean) == std::vector<std::int32_t>{0, 0, 0, 0});
    for (const float value : {kNaN, kInfinity, -kInfinity}) {
      for (const std::size_t at : {3 * width, 3 * width + 300, 9 * width - 1}) {
        std::vector<float> x = clean;
        x[at] = value;
        CHECK(flags(x) == std::vector<std::int32_t>{0, 1, 0, 0});
      }
    }
    std::vector<float> x = clean;
    x[0] = std::numeric_limits<float>::max();
    x[1] = std::numeric_limits<float>::lowest();
    CHECK(flags(x) == std::vector<std::int32_t>{0, 0, 0, 0});
  }
}

TEST_CASE("compiled kernels: a call of another size, or blocks of more threads, are found out") {
  for (const ptx::Program& program : compiled_kernels()) {
    ptx::GlobalMemory memory;
    const FiniteCall call;
    const Grid grid{1, 1, kFiniteThreads + 32, 0};
    CHECK_THROWS_WITH_AS(run_compiled(program, "4poolE", Grid{1, 1, 32, 0}, call, memory),
                         doctest::Contains("takes 48 bytes of parameters, not 40"), ptx::Fault);
    CHECK_THROWS_WITH_AS(run_compiled(program, "12check_finiteE", grid, call, memory),
                         doctest::Contains("made for up to 256 threads, not 288"), ptx::Fault);
  }
}
