#include "kernels/gemm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "base/random.h"

namespace mt {
namespace {

TEST_CASE("gemm: agrees with plain loops for every form of its operands") {
  // given sizes that fill no register, and leading dimensions that are larger than the rows
  const std::array<std::array<std::size_t, 3>, 4> sizes = {{{1, 1, 1}, {5, 10, 7}, {64, 10, 33}, {17, 130, 64}}};
  Random random(1);
  for (const auto& [m, n, k] : sizes) {
    for (const OperandForm left : {OperandForm::plain, OperandForm::transposed}) {
      for (const OperandForm right : {OperandForm::plain, OperandForm::transposed}) {
        for (const bool accumulate : {false, true}) {
          const std::size_t lda = (left == OperandForm::plain ? k : m) + 3,
                            ldb = (right == OperandForm::plain ? n : k) + 2;
          std::vector<float> a((left == OperandForm::plain ? m : k) * lda),
              b((right == OperandForm::plain ? k : n) * ldb);
          std::vector<float> c(m * n, 0.5F);
          random.fill_normal(a, 0, 1);
          random.fill_normal(b, 0, 1);

          gemm(m, n, k, {a.data(), lda, left}, {b.data(), ldb, right}, c.data(), n, accumulate);

          for (std::size_t i = 0; i < m; ++i) {
            for (std::size_t j = 0; j < n; ++j) {
              double sum = accumulate ? 0.5 : 0;
              for (std::size_t q = 0; q < k; ++q) {
                const double x = left == OperandForm::plain ? a[i * lda + q] : a[q * lda + i];
                const double y = right == OperandForm::plain ? b[q * ldb + j] : b[j * ldb + q];
                sum += x * y;
              }
              CHECK(c[i * n + j] == doctest::Approx(sum).epsilon(1e-5));  // 64 terms of float32 rounding
            }
          }
        }
      }
    }
  }
}

TEST_CASE("gemm: among 64 rows, equal ones have equal results") {
  // Who promises that a row's bytes depend on no other row fills up to as many rows: some kernels sum the last ones of
  // another number in another order.
  constexpr std::size_t m = 64;
  Random random(2);
  for (const std::size_t n : {1, 3, 10, 64, 770}) {
    for (const std::size_t k : {4, 33, 768}) {
      std::vector<float> a(m * k), b(n * k), c(m * n);
      random.fill_normal(std::span(a).first(k), 0, 1);
      random.fill_normal(b, 0, 1);
      for (std::size_t i = 1; i < m; ++i) std::copy_n(a.begin(), k, a.data() + i * k);
      gemm(m, n, k, {a.data(), k}, {b.data(), k, OperandForm::transposed}, c.data(), n);
      for (std::size_t i = 1; i < m; ++i) CHECK(std::equal(c.data(), c.data() + n, c.data() + i * n));
    }
  }
}

TEST_CASE("gemm: an empty product leaves its result alone") {
  float c = 3;
  gemm(0, 1, 4, {nullptr, 4}, {nullptr, 1}, &c, 1);
  CHECK(c == 3);
}

}  // namespace
}  // namespace mt
