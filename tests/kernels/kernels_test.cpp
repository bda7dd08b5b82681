#include "kernels/kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "kernels/aligned.h"
#include "kernels/isas.h"

using namespace mt;
using mt::test::kernels_of_machine;

namespace {

std::vector<float> normal(std::size_t n, std::uint64_t stream, float deviation = 1) {
  std::vector<float> values(n);
  Random(7, stream).fill_normal(values, 0, deviation);
  return values;
}

double exact_gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

// Softmax attention of one head in double precision: the oracle.
std::vector<double> plain_attention(const std::vector<float>& q, const std::vector<float>& k,
                                    const std::vector<float>& v, std::size_t rows, std::size_t tokens, std::size_t head,
                                    double scale) {
  std::vector<double> out(rows * head, 0), weight(tokens);
  for (std::size_t i = 0; i < rows; ++i) {
    double most = -INFINITY, sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      double dot = 0;
      for (std::size_t d = 0; d < head; ++d)
        dot += static_cast<double>(q[i * head + d]) * static_cast<double>(k[t * head + d]);
      weight[t] = dot * scale;
      most = std::max(most, weight[t]);
    }
    for (double& w : weight) sum += w = std::exp(w - most);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t d = 0; d < head; ++d)
        out[i * head + d] += weight[t] / sum * static_cast<double>(v[t * head + d]);
    }
  }
  return out;
}

// Attention of query rows [begin, end) through the kernel; keys are packed in two pieces, as two workers would.
std::vector<float> kernel_attention(const Kernels& kernels, const std::vector<float>& q, const std::vector<float>& k,
                                    const std::vector<float>& v, std::size_t begin, std::size_t end, std::size_t tokens,
                                    std::size_t head, float scale) {
  const std::size_t stride = (head + kernels.lanes - 1) / kernels.lanes * kernels.lanes, cut = tokens / 3;
  Aligned<std::uint32_t> keys(panel_groups(kernels, head, tokens));
  Aligned<float> values(tokens * stride);
  std::fill_n(keys.data(), keys.size(), 0x7fc00000u);  // what is behind the last key must not matter
  kernels.pack_panels(reinterpret_cast<const Group*>(k.data()) + cut * head, head, cut, tokens, head, keys.data());
  kernels.pack_panels(reinterpret_cast<const Group*>(k.data()), head, 0, cut, head, keys.data());
  std::fill_n(values.data(), values.size(), 0.0f);
  for (std::size_t t = 0; t < tokens; ++t) std::copy_n(v.data() + t * head, head, values.data() + t * stride);
  Aligned<float> scratch(attention_scratch(end - begin, head));
  std::vector<float> out((end - begin) * head);
  AttentionCall call;
  call.query = q.data() + begin * head;
  call.query_stride = call.out_stride = call.head_size = head;
  call.rows = end - begin;
  call.tokens = tokens;
  call.keys = keys.data();
  call.values = values.data();
  call.value_stride = stride;
  call.scale = scale;
  call.out = out.data();
  call.scratch = scratch.data();
  kernels.attention_f32(call);
  return out;
}

std::vector<float> layer_normed(const Kernels& kernels, const std::vector<float>& x, std::size_t width,
                                const std::vector<float>& gain, const std::vector<float>& bias) {
  std::vector<float> y(x.size());
  kernels.layer_norm(x.data(), x.size() / width, width, gain.data(), bias.data(), 1e-5f, y.data());
  return y;
}

}  // namespace

TEST_CASE("attention kernel: agrees with the plain formula for every head size and from 1 to 1500 tokens") {
  for (const Kernels* kernels : kernels_of_machine()) {
    CAPTURE(name_of(kernels->isa));
    for (const std::size_t head : {8, 32, 40, 64, 72, 80, 128, 13}) {
      for (const std::size_t tokens : {1, 2, 5, 17, 64, 197, 479, 480, 481, 1500}) {
        if (tokens > 480 && head != 64 && head != 13) continue;
        CAPTURE(head);
        CAPTURE(tokens);
        const auto q = normal(tokens * head, 1), k = normal(tokens * head, 2), v = normal(tokens * head, 3);
        const std::size_t rows = std::min<std::size_t>(tokens, 20);
        const float scale = 1 / std::sqrt(static_cast<float>(head));
        const auto expected = plain_attention(q, k, v, rows, tokens, head, static_cast<double>(scale));
        const auto out = kernel_attention(*kernels, q, k, v, 0, rows, tokens, head, scale);
        double largest = 0;
        for (std::size_t i = 0; i < out.size(); ++i)
          largest = std::max(largest, std::abs(static_cast<double>(out[i]) - expected[i]));
        CHECK(largest < 4e-6);  // values near 1, sums of up to 1500 terms
      }
    }
  }
}

TEST_CASE("attention kernel: scores far apart neither overflow nor vanish") {
  for (const Kernels* kernels : kernels_of_machine()) {
    const std::size_t head = 64, tokens = 600;
    auto q = normal(tokens * head, 1, 30), k = normal(tokens * head, 2, 30), v = normal(tokens * head, 3);
    const auto expected = plain_attention(q, k, v, 12, tokens, head, 0.125);
    const auto out = kernel_attention(*kernels, q, k, v, 0, 12, tokens, head, 0.125f);
    // Scores of some thousands keep an absolute error near 1e-3 in float32, and so does what the softmax makes of them.
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(std::abs(static_cast<double>(out[i]) - expected[i]) < 5e-3);
  }
}

TEST_CASE("attention kernel: a row's bytes do not depend on the rows that share the call") {
  for (const Kernels* kernels : kernels_of_machine()) {
    const std::size_t head = 64, tokens = 700;
    const auto q = normal(tokens * head, 1), k = normal(tokens * head, 2), v = normal(tokens * head, 3);
    const auto all = kernel_attention(*kernels, q, k, v, 0, 40, tokens, head, 0.125f);
    for (std::size_t begin = 0; begin < 40; begin += 7) {
      for (std::size_t end = begin + 1; end <= 40; end += 4) {
        const auto some = kernel_attention(*kernels, q, k, v, begin, end, tokens, head, 0.125f);
        CHECK(std::memcmp(some.data(), all.data() + begin * head, some.size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("attention kernel: one NaN among the keys makes every row NaN") {
  for (const Kernels* kernels : kernels_of_machine()) {
    const std::size_t head = 64, tokens = 197;
    const auto q = normal(tokens * head, 1), v = normal(tokens * head, 3);
    for (const std::size_t where : {0, 100, 196}) {
      auto k = normal(tokens * head, 2);
      k[where * head + 5] = NAN;
      for (const float x : kernel_attention(*kernels, q, k, v, 0, 10, tokens, head, 0.125f)) CHECK(std::isnan(x));
    }
  }
}

TEST_CASE("layer norm kernel: agrees with the plain formula for any width, in place too") {
  for (const Kernels* kernels : kernels_of_machine()) {
    CAPTURE(name_of(kernels->isa));
    for (const std::size_t width : {1, 2, 7, 16, 33, 192, 768, 1000}) {
      auto x = normal(3 * width, width);
      for (float& value : x) value = value * 3 + 5;
      const auto gain = normal(width, 11), bias = normal(width, 12);
      auto y = layer_normed(*kernels, x, width, gain, bias);
      for (std::size_t r = 0; r < 3; ++r) {
        double mean = 0, variance = 0;
        for (std::size_t j = 0; j < width; ++j)
          mean += static_cast<double>(x[r * width + j]) / static_cast<double>(width);
        for (std::size_t j = 0; j < width; ++j) {
          variance += std::pow(static_cast<double>(x[r * width + j]) - mean, 2) / static_cast<double>(width);
        }
        for (std::size_t j = 0; j < width; ++j) {
          const double normed = (static_cast<double>(x[r * width + j]) - mean) / std::sqrt(variance + 1e-5);
          const double expected = normed * static_cast<double>(gain[j]) + static_cast<double>(bias[j]);
          CHECK(std::abs(static_cast<double>(y[r * width + j]) - expected) < 2e-5);
        }
      }
      kernels->layer_norm(x.data(), 3, width, gain.data(), bias.data(), 1e-5f, x.data());
      CHECK(x == y);
    }
  }
}

TEST_CASE("product kernel: GELU is the exact one to float32 rounding, also far out") {
  for (const Kernels* kernels : kernels_of_machine()) {
    CAPTURE(name_of(kernels->isa));
    // x = 1 * w: a product of depth 1 shows the activation alone.
    std::vector<float> x;
    for (int i = -12000; i <= 12000; ++i) x.push_back(static_cast<float>(i) / 1000);
    for (const float far : {-1e30f, -100.0f, -20.0f, 20.0f, 100.0f, 1e30f, INFINITY}) x.push_back(far);
    const std::size_t n = x.size();
    Aligned<std::uint32_t> panels(panel_groups(*kernels, 1, n));
    Aligned<float> bias(panel_groups(*kernels, 1, n));
    std::fill_n(bias.data(), bias.size(), 0.0f);
    kernels->pack_panels(reinterpret_cast<const Group*>(x.data()), 1, 0, n, 1, panels.data());
    const float one = 1;
    std::vector<float> y(n);
    ProductCall call;
    call.a = &one;
    call.a_stride = call.rows = call.depth = 1;
    call.columns = call.y_stride = n;
    call.panels = panels.data();
    call.bias = bias.data();
    call.y = y.data();
    call.finish = Finish::bias_gelu;
    kernels->product_f32(call);
    for (std::size_t i = 0; i + 1 < n; ++i) {
      const double bound = 3e-7 * std::max(1.0, std::abs(static_cast<double>(x[i])));
      REQUIRE(std::abs(static_cast<double>(y[i]) - exact_gelu(static_cast<double>(x[i]))) < bound);
    }
    CHECK(y[n - 1] == INFINITY);
    CHECK(y[n - 7] == 0);
    call.finish = Finish::bias_quick_gelu;
    kernels->product_f32(call);
    for (std::size_t i = 0; i + 1 < n; ++i) {
      const double expected = static_cast<double>(x[i]) / (1 + std::exp(-1.702 * static_cast<double>(x[i])));
      REQUIRE(std::abs(static_cast<double>(y[i]) - expected) <
              1e-6 * std::max(1.0, std::abs(static_cast<double>(x[i]))));
    }
  }
}
