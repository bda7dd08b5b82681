// bfloat16 and int8 products on every instruction set that has them, against plain loops over the same rounded
// operands.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "base/tensor.h"
#include "kernels/isas.h"
#include "layers/attention.h"
#include "layers/linear.h"

using namespace mt;
using mt::test::kernels_of_machine;

namespace {

std::vector<float> normal(std::size_t n, std::uint64_t stream, float deviation) {
  std::vector<float> values(n);
  Random(11, stream).fill_normal(values, 0, deviation);
  return values;
}

float rounded(float x) { return to_float(to_bfloat16(x)); }

// Each row of n as the precision sees it: as it is, rounded to bfloat16, or to a multiple of its largest magnitude /
// 127.
std::vector<double> as_seen(std::vector<float> x, std::size_t n, Precision precision, bool narrow) {
  std::vector<double> seen(x.size());
  if (narrow) {
    for (float& value : x) value = rounded(value);
  }
  for (std::size_t begin = 0; begin < x.size(); begin += n) {
    float top = 0;
    for (std::size_t k = 0; k < n; ++k) top = std::max(top, std::fabs(x[begin + k]));
    const float inverse = top > 0 ? 127.0f / top : 0.0f;
    for (std::size_t k = 0; k < n; ++k) {
      const float value = x[begin + k];
      seen[begin + k] = precision == Precision::f32 ? static_cast<double>(value)
                        : precision == Precision::bf16
                            ? static_cast<double>(rounded(value))
                            : static_cast<double>(std::nearbyint(value * inverse)) * static_cast<double>(top) / 127.0;
    }
  }
  return seen;
}

// Rows of the type that passes between layers on these kernels.
struct Stored {
  std::vector<float> wide;
  std::vector<BFloat16> narrow;
  std::size_t count, width;
  Stored(std::vector<float> x, std::size_t columns, bool is_narrow)
      : wide(std::move(x)), count(wide.size() / columns), width(columns) {
    if (!is_narrow) return;
    for (const float value : wide) narrow.push_back(to_bfloat16(value));
  }
  AnyRows rows() {
    if (narrow.empty()) return Rows<float>(wide.data(), count, width);
    return {narrow.data(), true, count, width};
  }
  float at(std::size_t i) const { return narrow.empty() ? wide[i] : to_float(narrow[i]); }
};

void check_product(const Kernels& kernels, Precision precision, std::size_t m, std::size_t k, std::size_t n,
                   Finish finish, bool narrow_result) {
  const bool narrow = narrows(kernels);
  const auto x = normal(m * k, 1, 1), weight = normal(n * k, 2, 1 / std::sqrt(static_cast<float>(k))),
             bias = normal(n, 3, 1);
  const auto seen_x = as_seen(x, k, left_precision(precision, kernels), narrow),
             seen_weight = as_seen(weight, k, precision, false);
  Stored input(x, k, narrow), result(normal(m * n, 4, 1), n, narrow_result);
  const std::vector<float> before = result.wide;
  const Linear linear(weight, bias, k, n, finish, kernels, precision);
  Operand operand(kernels, precision);
  linear.forward(operand.of(input.rows()), result.rows());
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      double sum = static_cast<double>(bias[j]);
      for (std::size_t d = 0; d < k; ++d) sum += seen_x[i * k + d] * seen_weight[j * k + d];
      if (finish == Finish::bias_gelu) sum *= 0.5 * std::erfc(-sum / std::sqrt(2.0));
      if (finish == Finish::bias_add) sum += static_cast<double>(before[i * n + j]);
      // Sums in float32; GELU by a polynomial; the result rounded to 8 bits where it is narrow.
      const double bound =
          1e-5 + (finish == Finish::bias_gelu ? 2.2e-4 : 0) + (narrow_result ? std::abs(sum) / 250 : 0);
      REQUIRE(std::abs(static_cast<double>(result.at(i * n + j)) - sum) < bound);
    }
  }
}

}  // namespace

TEST_CASE("linear in bfloat16 and int8: agrees with the plain loop over the rounded operands") {
  for (const Kernels* kernels : kernels_of_machine()) {
    for (const Precision precision : {Precision::bf16, Precision::int8}) {
      if (!has(*kernels, precision)) continue;
      CAPTURE(name_of(kernels->isa));
      CAPTURE(static_cast<int>(precision));
      for (const Finish finish : {Finish::bias, Finish::bias_gelu, Finish::bias_add}) {
        for (const bool narrow_result : {false, true}) {
          if (narrow_result && (!narrows(*kernels) || finish == Finish::bias_add)) continue;
          check_product(*kernels, precision, 1, 4, 1, finish, narrow_result);
          check_product(*kernels, precision, 7, 20, 17, finish, narrow_result);
          check_product(*kernels, precision, 13, 96, 130, finish, narrow_result);
          check_product(*kernels, precision, 40, 768, 64, finish, narrow_result);
          check_product(*kernels, precision, 9, 4104, 20, finish, narrow_result);  // deeper than one part of a panel
        }
      }
    }
  }
}

TEST_CASE("linear in int8: the largest sums neither saturate nor wrap") {
  for (const Kernels* kernels : kernels_of_machine()) {
    if (!has(*kernels, Precision::int8)) continue;
    const std::size_t k = 4096;
    // All products at their extremes, of both signs: 127 * 127 * 4096 = 66 million a sum.
    for (const float sign : {1.0f, -1.0f}) {
      std::vector<float> x(k, 1), weight(k, sign);
      const Linear linear(weight, {}, k, 1, Finish::bias, *kernels, Precision::int8);
      Operand operand(*kernels, Precision::int8);
      float y = 0;
      linear.forward(operand.of(Rows<float>(x.data(), 1, k)), Rows<float>(&y, 1, 1));
      CHECK(std::abs(y - sign * 4096) < 0.01f);
    }
  }
}

TEST_CASE("quantise: zeros have scale 0, a NaN shows in the scale") {
  for (const Kernels* kernels : kernels_of_machine()) {
    if (kernels->quantise == nullptr) continue;
    std::vector<std::uint32_t> groups(32);
    std::vector<float> x(36, 0);
    CHECK(kernels->quantise(x.data(), false, 36, groups.data()) == 0);
    for (const std::size_t where : {0, 17, 35}) {
      auto poisoned = normal(36, 1, 1);
      poisoned[where] = NAN;
      CHECK(std::isnan(kernels->quantise(poisoned.data(), false, 36, groups.data())));
    }
  }
}

TEST_CASE("attention in bfloat16: agrees with float32 attention over the rounded operands, for odd and even lengths") {
  for (const Kernels* kernels : kernels_of_machine()) {
    if (kernels->attention_bf16 == nullptr) continue;
    for (const std::size_t head : {32, 64, 72, 26}) {
      for (const std::size_t tokens : {1, 2, 3, 17, 197, 480, 481, 700}) {
        const std::size_t heads = 2, width = heads * head, cut = tokens / 2;
        std::vector<float> parts[3];
        std::vector<BFloat16> narrow[3];
        for (int p = 0; p < 3; ++p) {
          parts[p] = normal(tokens * width, 20 + static_cast<std::uint64_t>(p), 1);
          for (float& value : parts[p]) narrow[p].push_back(to_bfloat16(std::exchange(value, rounded(value))));
        }
        const Attention attention(heads, head, 1 / std::sqrt(static_cast<float>(head)));
        const std::vector<std::size_t> offsets = {0, tokens};
        KeysAndValues wide_kv, narrow_kv;
        wide_kv.reshape(offsets, heads, head, false, *kernels);
        narrow_kv.reshape(offsets, heads, head, true, *kernels);
        const auto wide_rows = [&](int p) { return AnyRows(parts[p].data(), false, tokens, width); };
        const auto narrow_rows = [&](int p) { return AnyRows(narrow[p].data(), true, tokens, width); };
        wide_kv.store(0, wide_rows(1), wide_rows(2));
        narrow_kv.store(cut, narrow_rows(1).rows(cut, tokens), narrow_rows(2).rows(cut, tokens));
        narrow_kv.store(0, narrow_rows(1).rows(0, cut), narrow_rows(2).rows(0, cut));
        std::vector<float> expected(tokens * width);
        std::vector<BFloat16> out(tokens * width);
        Aligned<float> scratch;
        attention.forward(0, wide_rows(0), wide_kv, AnyRows(expected.data(), false, tokens, width), scratch);
        attention.forward(0, narrow_rows(0), narrow_kv, AnyRows(out.data(), true, tokens, width), scratch);
        double largest = 0;
        for (std::size_t i = 0; i < out.size(); ++i) {
          largest =
              std::max(largest, std::abs(static_cast<double>(to_float(out[i])) - static_cast<double>(expected[i])));
        }
        CAPTURE(head);
        CAPTURE(tokens);
        CHECK(largest < 0.02);  // weights and results of 8 bits: half a unit in the last place of values up to 4
      }
    }
  }
}
