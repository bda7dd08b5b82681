// The kernels for cards, run on the host in several orders of their threads, against the CPU's and against double
// precision.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "layers/attention.h"
#include "layers/layer_norm.h"
#include "support/card_steps.h"
#include "support/card_values.h"

using namespace mt;
using namespace mt::cuda;
using mt::test::kInfinity;
using mt::test::kNaN;
using mt::test::kPrecision;
using mt::test::normal;
using mt::test::Order;
using mt::test::rounded;
using mt::test::run_activation;
using mt::test::run_attention;
using mt::test::run_finite;
using mt::test::run_norm;
using mt::test::run_pool;
using mt::test::same_bytes;

namespace {

constexpr Order kOrders[] = {Order::ascending, Order::descending, Order::shuffled};
// The largest relative error of rounding to a type.
template <class T>
constexpr double kRounding = 0;
template <>
constexpr double kRounding<BFloat16> = 1.0 / 256;
template <>
constexpr double kRounding<Half> = 1.0 / 2048;

// Rows, or none, with a gain and a bias.
struct Norm {
  std::size_t rows, width;
  std::vector<float> x, delta, gain, bias;
  Norm(std::size_t row_count, std::size_t row_width, float mean = 0)
      : rows(row_count),
        width(row_width),
        x(normal(rows * width, 1, mean)),
        delta(normal(rows * width, 2)),
        gain(normal(width, 3, 1, 0.2f)),
        bias(normal(width, 4)) {}

  NormCall call() {
    NormCall call;
    call.x = x.data();
    call.rows = rows;
    call.width = width;
    call.gain = gain.data();
    call.bias = bias.data();
    call.eps = 1e-6f;
    return call;
  }
  std::vector<float> on_the_cpu() const {
    std::vector<float> y(x.size());
    LayerNorm{gain, bias, 1e-6f}.forward(kernels(), {x.data(), rows, width}, {y.data(), rows, width});
    return y;
  }
};

template <class T>
void check_norm(std::size_t rows, std::size_t width, bool with_delta) {
  CAPTURE(rows);
  CAPTURE(width);
  std::vector<T> first;
  for (const Order order : kOrders) {
    Norm norm(rows, width);
    Norm sum = norm;
    for (std::size_t i = 0; with_delta && i < sum.x.size(); ++i) sum.x[i] += sum.delta[i];
    const std::vector<float> expected = sum.on_the_cpu();
    std::vector<T> y(norm.x.size());
    NormCall call = norm.call();
    if (with_delta) call.delta = norm.delta.data();
    call.y = y.data();
    call.numbers = kPrecision<T>;
    run_norm(call, order);
    CHECK(same_bytes(norm.x, sum.x));
    double worst = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double most = 1e-5 + kRounding<T> * std::abs(static_cast<double>(expected[i]));
      worst = std::max(worst, std::abs(static_cast<double>(widen(y[i])) - static_cast<double>(expected[i])) / most);
    }
    CHECK(worst <= 1);
    if (first.empty()) first = y;
    CHECK(same_bytes(y, first));
  }
}

}  // namespace

TEST_CASE("cuda norm: agrees with the CPU's, in each type, with and without a sum before") {
  for (const std::size_t width : {4, 12, 128, 768, 1028}) {
    check_norm<float>(9, width, true);
    check_norm<BFloat16>(3, width, false);
    check_norm<Half>(3, width, true);
  }
  check_norm<float>(1, 12288, false);  // a row takes all that a block has
  check_norm<float>(2, kMostNormWidth, true);
}

TEST_CASE("cuda norm: adds alone without y, and y may be x") {
  Norm norm(5, 64);
  const Norm before = norm;
  NormCall call = norm.call();
  call.delta = norm.delta.data();
  run_norm(call);
  for (std::size_t i = 0; i < norm.x.size(); ++i) CHECK(norm.x[i] == before.x[i] + before.delta[i]);

  std::vector<float> apart(norm.x.size());
  call.delta = nullptr;
  call.y = apart.data();
  run_norm(call);
  call.y = norm.x.data();
  run_norm(call);
  CHECK(same_bytes(norm.x, apart));
}

TEST_CASE("cuda norm: a row's bytes depend on that row alone") {
  Norm norm(17, 100);
  std::vector<float> together(norm.x.size()), alone(norm.width);
  std::fill_n(norm.x.begin() + 3 * 100, 100, kNaN);
  NormCall call = norm.call();
  call.y = together.data();
  run_norm(call);
  for (const std::size_t row : {0, 2, 4, 16}) {
    call.x = norm.x.data() + row * norm.width;
    call.rows = 1;
    call.y = alone.data();
    run_norm(call);
    CHECK(same_bytes(std::span<const float>(alone), std::span<const float>(together).subspan(row * 100, 100)));
  }
}

TEST_CASE("cuda norm: a large mean does not drown a small variance") {
  Norm norm(2, 768, 1000);
  std::vector<float> y(norm.x.size());
  NormCall call = norm.call();
  call.y = y.data();
  run_norm(call);
  for (std::size_t row = 0; row < 2; ++row) {
    const float* x = norm.x.data() + row * 768;
    double mean = 0, squares = 0;
    for (std::size_t j = 0; j < 768; ++j) mean += static_cast<double>(x[j]) / 768;
    for (std::size_t j = 0; j < 768; ++j) squares += std::pow(static_cast<double>(x[j]) - mean, 2) / 768;
    for (std::size_t j = 0; j < 768; ++j) {
      const double normed = (static_cast<double>(x[j]) - mean) / std::sqrt(squares + 1e-6);
      const double expected = normed * static_cast<double>(norm.gain[j]) + static_cast<double>(norm.bias[j]);
      // The mean is off by no more than a few of float32's steps near 1000, 6e-5 each.
      CHECK(std::abs(static_cast<double>(y[row * 768 + j]) - expected) < 5e-4);
    }
  }
}

TEST_CASE("cuda norm: no rows are no work, and a width that it cannot take is a bug") {
  Norm norm(2, 8);
  NormCall call = norm.call();
  call.rows = 0;
  run_norm(call);
  for (const std::size_t width : {std::size_t{0}, std::size_t{6}, kMostNormWidth + 4}) {
    call.width = width;
    CHECK_THROWS_AS(run_norm(call), std::logic_error);
  }
}

namespace {

template <class T>
void check_activation(bool quick) {
  CAPTURE(quick);
  // 2 blocks, the second one for the most part empty.
  std::vector<float> x(8 * 260);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = -12 + 24 * static_cast<float>(i) / static_cast<float>(x.size());
  const std::vector<T> before = rounded<T>(x);
  for (const Order order : kOrders) {
    std::vector<T> y = before;
    run_activation({y.data(), y.size(), quick, kPrecision<T>}, order);
    double worst = 0;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const auto v = static_cast<double>(widen(before[i]));
      const double expected = quick ? v / (1 + std::exp(-1.702 * v)) : 0.5 * v * (1 + std::erf(v / std::sqrt(2.0)));
      // float32: 1 + erf() is exact to a rounding or two of numbers near 1, here times up to 6.
      const double most = 1.5e-6 + (kRounding<T> + 1e-6) * std::abs(expected);
      worst = std::max(worst, std::abs(static_cast<double>(widen(y[i])) - expected) / most);
    }
    CHECK(worst <= 1);
  }
}

}  // namespace

TEST_CASE("cuda activation: agrees with the definitions, in each type") {
  for (const bool quick : {false, true}) {
    check_activation<float>(quick);
    check_activation<BFloat16>(quick);
    check_activation<Half>(quick);
  }
}

TEST_CASE("cuda activation: tells the exact GELU from its approximation by tanh") {
  std::vector<float> y(8, 2.0f);
  run_activation({y.data(), y.size(), false, Precision::f32});
  CHECK(y[0] == doctest::Approx(1.954499736).epsilon(1e-6));  // by tanh: 1.954597694
}

TEST_CASE("cuda activation: infinities and NaN") {
  for (const bool quick : {false, true}) {
    std::vector<float> y{kInfinity, kNaN, -200, 200, 0, 1, -1, 3};
    run_activation({y.data(), y.size(), quick, Precision::f32});
    CHECK(y[0] == kInfinity);
    CHECK(std::isnan(y[1]));
    CHECK(y[2] == 0);
    CHECK(y[3] == 200);
    CHECK(y[4] == 0);
  }
  std::vector<float> y(12);
  CHECK_THROWS_AS(run_activation({y.data(), y.size(), false, Precision::f32}), std::logic_error);
}

TEST_CASE("cuda pool: the mean and the maximum are exact, sums in the order of the rows") {
  const std::size_t width = 130;  // two blocks of columns
  const std::vector<float> x = normal(20 * width, 5);
  const std::vector<RowSpan> spans{{0, 7}, {7, 1}, {19, 1}, {5, 15}};
  for (const bool maximum : {false, true}) {
    for (const Order order : kOrders) {
      std::vector<float> out(spans.size() * width);
      run_pool({x.data(), spans.data(), spans.size(), width, maximum, out.data()}, order);
      for (std::size_t i = 0; i < spans.size(); ++i) {
        for (std::size_t j = 0; j < width; ++j) {
          const auto first = static_cast<std::size_t>(spans[i].first), count = static_cast<std::size_t>(spans[i].count);
          float expected = x[first * width + j];
          for (std::size_t row = first + 1; row < first + count; ++row) {
            const float one = x[row * width + j];
            expected = maximum ? std::max(expected, one) : expected + one;
          }
          if (!maximum) expected /= static_cast<float>(count);
          REQUIRE(out[i * width + j] == expected);
        }
      }
    }
  }
}

TEST_CASE("cuda pool: one row is copied as it is") {
  const std::vector<float> x{1, 2, 3, 4, -0.0f, kNaN, -kInfinity, 5, 9, 9, 9, 9};
  const RowSpan span{1, 1};
  for (const bool maximum : {false, true}) {
    std::vector<float> out(4);
    run_pool({x.data(), &span, 1, 4, maximum, out.data()});
    CHECK(same_bytes(std::span<const float>(out), std::span<const float>(x).subspan(4, 4)));
  }
}

TEST_CASE("cuda finite: finds a NaN or an infinity in the rows of its span alone") {
  const std::size_t width = 70;
  const std::vector<RowSpan> spans{{0, 3}, {3, 6}, {9, 1}, {10, 0}};
  const auto flags = [&](const std::vector<float>& x, Order order) {
    std::vector<std::int32_t> found(spans.size(), 7);
    run_finite({x.data(), spans.data(), spans.size(), width, found.data()}, order);
    return found;
  };
  const std::vector<float> clean = normal(10 * width, 6, 0, 1e30f);
  for (const Order order : kOrders) {
    CHECK(flags(clean, order) == std::vector<std::int32_t>{0, 0, 0, 0});
    for (const float value : {kNaN, kInfinity, -kInfinity}) {
      for (const std::size_t at : {3 * width, 3 * width + 1, 9 * width - 1}) {
        std::vector<float> x = clean;
        x[at] = value;
        CHECK(flags(x, order) == std::vector<std::int32_t>{0, 1, 0, 0});
      }
    }
  }
  std::vector<float> x = clean;
  x[0] = std::numeric_limits<float>::max();
  x[1] = std::numeric_limits<float>::lowest();
  CHECK(flags(x, Order::ascending) == std::vector<std::int32_t>{0, 0, 0, 0});
}

namespace {

// Queries, keys and values of a batch of sequences that lie end to end.
template <class T>
struct Batch {
  std::vector<std::size_t> offsets{0};
  std::size_t heads, head_size;
  float scale;
  std::vector<T> qkv;  // [rows, 3, heads, head_size]

  Batch(std::initializer_list<std::size_t> lengths, std::size_t head_count, std::size_t size, std::uint64_t stream)
      : heads(head_count), head_size(size), scale(1 / std::sqrt(static_cast<float>(size))) {
    for (const std::size_t length : lengths) offsets.push_back(offsets.back() + length);
    qkv = rounded<T>(normal(offsets.back() * 3 * heads * head_size, stream));
  }

  T& at(std::size_t row, std::size_t which, std::size_t head, std::size_t d) {
    return qkv[((row * 3 + which) * heads + head) * head_size + d];
  }
  double value(std::size_t row, std::size_t which, std::size_t head, std::size_t d) const {
    return static_cast<double>(widen(qkv[((row * 3 + which) * heads + head) * head_size + d]));
  }

  // The output, [rows, heads, head_size].
  std::vector<T> attend(Order order = Order::ascending) const {
    std::vector<AttentionTile> tiles;
    for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
      const std::size_t length = offsets[i + 1] - offsets[i];
      for (std::size_t query = 0; query < length; query += kQueryTile)
        tiles.push_back({static_cast<std::int32_t>(offsets[i]), static_cast<std::int32_t>(length),
                         static_cast<std::int32_t>(query)});
    }
    std::vector<T> out(offsets.back() * heads * head_size, narrow<T>(kNaN));
    run_attention({qkv.data(), tiles.data(), tiles.size(), heads, head_size, scale, out.data(), kPrecision<T>}, order);
    return out;
  }

  // Of sequence i alone.
  Batch alone(std::size_t i) const {
    Batch one = *this;
    one.offsets = {0, offsets[i + 1] - offsets[i]};
    const auto row = static_cast<std::ptrdiff_t>(3 * heads * head_size);
    one.qkv.assign(qkv.begin() + row * static_cast<std::ptrdiff_t>(offsets[i]),
                   qkv.begin() + row * static_cast<std::ptrdiff_t>(offsets[i + 1]));
    return one;
  }
  std::vector<T> part(const std::vector<T>& out, std::size_t i) const {
    const auto row = static_cast<std::ptrdiff_t>(heads * head_size);
    return {out.begin() + row * static_cast<std::ptrdiff_t>(offsets[i]),
            out.begin() + row * static_cast<std::ptrdiff_t>(offsets[i + 1])};
  }
};

// The largest error of out, as a part of what is allowed, against a plain loop in double precision. Allowed: 1e-5 for
// float32's own; in 16 bits each weight is off by its rounding, that is, the output by that part of the sum of the
// weighed magnitudes of the values, and the output is rounded once more.
template <class T>
double worst_error(const Batch<T>& batch, const std::vector<T>& out) {
  double worst = 0;
  for (std::size_t i = 0; i + 1 < batch.offsets.size(); ++i) {
    const std::size_t begin = batch.offsets[i], length = batch.offsets[i + 1] - begin;
    std::vector<double> weight(length);
    for (std::size_t head = 0; head < batch.heads; ++head) {
      for (std::size_t query = 0; query < length; ++query) {
        double most = -INFINITY, sum = 0;
        for (std::size_t key = 0; key < length; ++key) {
          double dot = 0;
          for (std::size_t d = 0; d < batch.head_size; ++d)
            dot += batch.value(begin + query, 0, head, d) * batch.value(begin + key, 1, head, d);
          weight[key] = dot * static_cast<double>(batch.scale);
          most = std::max(most, weight[key]);
        }
        for (double& w : weight) sum += w = std::exp(w - most);
        for (std::size_t d = 0; d < batch.head_size; ++d) {
          double expected = 0, magnitude = 0;
          for (std::size_t key = 0; key < length; ++key) {
            const double part = weight[key] / sum * batch.value(begin + key, 2, head, d);
            expected += part;
            magnitude += std::abs(part);
          }
          const double got = widen(out[((begin + query) * batch.heads + head) * batch.head_size + d]);
          const double allowed = 1e-5 + kRounding<T> * (magnitude + std::abs(expected));
          if (!(std::abs(got - expected) <= worst * allowed)) worst = std::abs(got - expected) / allowed;
          if (std::isnan(got)) return INFINITY;
        }
      }
    }
  }
  return worst;
}

std::vector<float> on_the_cpu(const Batch<float>& batch) {
  const std::size_t width = batch.heads * batch.head_size, rows = batch.offsets.back();
  std::vector<float> out(rows * width);
  std::vector<float> qkv = batch.qkv;
  const auto columns = [&](std::size_t which) {
    return Rows<float>(qkv.data() + which * width, rows, width, 3 * width);
  };
  KeysAndValues kv;
  kv.reshape(batch.offsets, batch.heads, batch.head_size, false, kernels());
  kv.store(0, columns(1), columns(2));
  Aligned<float> scratch;
  Attention(batch.heads, batch.head_size, batch.scale)
      .forward(0, columns(0), kv, Rows<float>(out.data(), rows, width), scratch);
  return out;
}

}  // namespace

TEST_CASE_TEMPLATE("cuda attention: agrees with double precision, for each size of a head", T, float, BFloat16, Half) {
  for (const std::size_t head_size : kHeadSizes) {
    CAPTURE(head_size);
    const Batch<T> batch({1, 197, 2, 63, 64, 65}, head_size == 64 ? 2 : 1, head_size, 20 + head_size);
    const std::vector<T> out = batch.attend();
    CHECK(worst_error(batch, out) <= 1);
    if constexpr (std::is_same_v<T, float>) {
      const std::vector<float> cpu = on_the_cpu(batch);
      float worst = 0;
      for (std::size_t i = 0; i < out.size(); ++i) worst = std::max(worst, std::abs(out[i] - cpu[i]));
      CHECK(worst < 1e-5f);
    }
  }
}

TEST_CASE_TEMPLATE("cuda attention: the order of the threads does not change a byte", T, float, BFloat16, Half) {
  for (const std::size_t head_size : {32, 128}) {
    CAPTURE(head_size);
    const Batch<T> batch({2, 150}, 2, head_size, 30);
    const std::vector<T> out = batch.attend(Order::ascending);
    CHECK(same_bytes(batch.attend(Order::descending), out));
    CHECK(same_bytes(batch.attend(Order::shuffled), out));
  }
}

TEST_CASE_TEMPLATE("cuda attention: neither mates nor what they hold change a byte", T, float, BFloat16, Half) {
  Batch<T> batch({65, 3, 70, 5}, 1, 64, 40);
  const auto row = 3 * batch.heads * batch.head_size;
  std::fill_n(batch.qkv.begin() + static_cast<std::ptrdiff_t>(65 * row), 3 * row, narrow<T>(kNaN));
  std::fill_n(batch.qkv.begin() + static_cast<std::ptrdiff_t>(138 * row), 5 * row, narrow<T>(kInfinity));
  const std::vector<T> out = batch.attend();
  for (const std::size_t i : {0, 2}) CHECK(same_bytes(batch.part(out, i), batch.alone(i).attend()));
  const auto spoilt = batch.part(out, 1);
  CHECK(std::all_of(spoilt.begin(), spoilt.end(), [](T x) { return std::isnan(widen(x)); }));
}

TEST_CASE_TEMPLATE("cuda attention: a NaN stays in its head", T, float, BFloat16, Half) {
  Batch<T> batch({70}, 2, 32, 41);
  const std::vector<T> clean = batch.attend();
  batch.at(66, 1, 1, 5) = narrow<T>(kNaN);  // a key of head 1
  const std::vector<T> out = batch.attend();
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i / 32 % 2 == 0)
      REQUIRE(same_bytes(std::span(&out[i], 1), std::span(&clean[i], 1)));
    else
      REQUIRE(std::isnan(widen(out[i])));
  }
}

TEST_CASE_TEMPLATE("cuda attention: large scores pick the largest", T, float, BFloat16, Half) {
  // Scores of up to some thousands: their exponentials overflow unless the maximum is taken off.
  Batch<T> batch({130}, 1, 64, 42);
  for (T& x : batch.qkv) x = narrow<T>(30 * widen(x));
  const std::vector<T> out = batch.attend();
  for (const T x : out) REQUIRE(std::isfinite(widen(x)));
  // Where the best score is ahead by more than rounding can be wrong, the output is its value.
  std::size_t clear = 0;
  for (std::size_t query = 0; query < 130; ++query) {
    double best = -INFINITY, second = -INFINITY;
    std::size_t which = 0;
    for (std::size_t key = 0; key < 130; ++key) {
      double dot = 0;
      for (std::size_t d = 0; d < 64; ++d) dot += batch.value(query, 0, 0, d) * batch.value(key, 1, 0, d);
      dot *= static_cast<double>(batch.scale);
      if (dot > best) {
        second = best;
        best = dot;
        which = key;
      } else {
        second = std::max(second, dot);
      }
    }
    if (best - second < 60) continue;
    ++clear;
    for (std::size_t d = 0; d < 64; ++d) REQUIRE(widen(out[query * 64 + d]) == widen(batch.at(which, 2, 0, d)));
  }
  CHECK(clear > 80);
}

TEST_CASE_TEMPLATE("cuda attention: a score of -infinity is a weight of 0, even for a whole tile", T, float, BFloat16,
                   Half) {
  Batch<T> batch({66}, 1, 32, 43);
  for (std::size_t row = 0; row < 66; ++row) batch.at(row, 0, 0, 0) = narrow<T>(1);
  Batch<T> rest = batch;
  for (std::size_t row = 0; row < 64; ++row) batch.at(row, 1, 0, 0) = narrow<T>(-kInfinity);
  const std::vector<T> out = batch.attend();
  // The same queries with the two keys that are left: rows 64 and 65 as a sequence.
  rest.offsets = {0, 2};
  rest.qkv.erase(rest.qkv.begin(), rest.qkv.begin() + 64 * 3 * 32);
  const std::vector<T> expected = rest.attend();
  for (std::size_t i = 0; i < 2 * 32; ++i)
    CHECK(widen(out[64 * 32 + i]) == doctest::Approx(widen(expected[i])).epsilon(2 * kRounding<T> + 1e-5));

  for (std::size_t row = 64; row < 66; ++row) batch.at(row, 1, 0, 0) = narrow<T>(-kInfinity);
  for (const T x : batch.attend()) CHECK(std::isnan(widen(x)));  // 0 / 0, as softmax has it
}

TEST_CASE("cuda attention: other sizes of a head are a bug") {
  cuda::AttentionCall call;
  call.head_size = 48;
  CHECK_THROWS_AS(run_attention(call), std::logic_error);
}
