#include "store/statistics.h"

#include <limits>

#include <doctest/doctest.h>

#include "base/random.h"

using namespace mt;

TEST_CASE("statistics: mean, deviation and extremes, also far from zero") {
  ValueStatistics statistics;
  statistics.add(Tensor::of<double>({4}, {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 6}));
  CHECK(statistics.finite() == 4);
  CHECK(statistics.mean() == 1e9 + 3);
  CHECK(statistics.deviation() == doctest::Approx(1.8708286933869707).epsilon(1e-12));  // numpy.std
  CHECK(statistics.minimum() == 1e9 + 1);
  CHECK(statistics.maximum() == 1e9 + 6);
}

TEST_CASE("statistics: what is no number is counted and left out") {
  ValueStatistics statistics;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  statistics.add(Tensor::of<float>({5}, {kInfinity, 2, std::numeric_limits<float>::quiet_NaN(), -kInfinity, 4}));
  CHECK(statistics.finite() == 2);
  CHECK(statistics.nan() == 1);
  CHECK(statistics.infinite() == 2);
  CHECK(statistics.mean() == 3);
  CHECK(ValueStatistics().mean() == 0);
  CHECK(ValueStatistics().maximum() == 0);
}

TEST_CASE("statistics: the same bits however the values are cut") {
  Tensor values(DType::f32, {1000});
  Random(1).fill_normal(values.as<float>(), 3, 2);
  ValueStatistics whole, pieces;
  whole.add(values);
  for (std::size_t i = 0; i < 1000; i += 7) pieces.add(values.rows_copy(i, std::min<std::size_t>(1000, i + 7)));
  CHECK(whole.mean() == pieces.mean());
  CHECK(whole.deviation() == pieces.deviation());
}

TEST_CASE("statistics: every type is read as numbers") {
  ValueStatistics statistics;
  statistics.add(Tensor::of<std::uint8_t>({1}, {255}));
  statistics.add(Tensor::of<std::int64_t>({1}, {-3}));
  statistics.add(Tensor::of<Half>({1}, {to_half(0.5F)}));
  statistics.add(Tensor::of<BFloat16>({1}, {to_bfloat16(2)}));
  CHECK(statistics.finite() == 4);
  CHECK(statistics.minimum() == -3);
  CHECK(statistics.maximum() == 255);
}
