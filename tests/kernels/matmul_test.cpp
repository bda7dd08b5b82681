#include "kernels/matmul.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "kernels/isa.h"

using namespace mt;

TEST_CASE("matmul: oneDNN's reference implementations are refused, and none is chosen at this level") {
  CHECK_THROWS_AS(require_no_reference("ref:any"), std::logic_error);
  CHECK_NOTHROW(require_no_reference("brgemm:avx512_core"));
  CHECK_NOTHROW(require_no_reference("gemm:jit"));
  CAPTURE(name_of(machine_isa()));
  for (const Finish finish : {Finish::bias, Finish::bias_gelu, Finish::bias_quick_gelu, Finish::bias_add}) {
    for (const std::size_t depth : {4, 192, 768}) {
      const std::vector<float> weights(depth * 768, 0.5f), bias(768, 0.0f);
      const Matmul product(weights.data(), bias.data(), depth, 768, finish);
      CHECK_FALSE(product.implementation().starts_with("ref"));
      CHECK_FALSE(product.implementation().empty());
    }
  }
}

TEST_CASE("matmul: agrees with the plain loop for every transposition, and adds when asked") {
  for (const std::size_t m : {1, 3, 16, 70}) {
    for (const std::size_t n : {1, 10, 65}) {
      for (const std::size_t k : {0, 1, 7, 128}) {
        for (int bits = 0; bits < 8; ++bits) {
          const bool ta = bits & 1, tb = bits & 2, accumulate = bits & 4;
          std::vector<float> a(m * k), b(k * n), c(m * n, 1.5f);
          Random(1, 1).fill_normal(a, 0, 1);
          Random(1, 2).fill_normal(b, 0, 1);
          matmul(a.data(), ta, b.data(), tb, c.data(), m, n, k, accumulate);
          for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
              double sum = accumulate ? 1.5 : 0;
              for (std::size_t t = 0; t < k; ++t) {
                sum += static_cast<double>(ta ? a[t * m + i] : a[i * k + t]) *
                       static_cast<double>(tb ? b[j * k + t] : b[t * n + j]);
              }
              REQUIRE(std::abs(static_cast<double>(c[i * n + j]) - sum) < 1e-4);
            }
          }
        }
      }
    }
  }
}
