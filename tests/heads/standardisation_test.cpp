#include "heads/standardisation.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include "support/wine.h"

namespace mt {
namespace {

TEST_CASE("standardisation: mean and deviation equal scikit-learn's StandardScaler") {
  const test::Wine wine;
  Moments moments(13);
  moments.add(wine.train.as<float>().data(), wine.train.rows());
  const Standardisation standard = moments.standardisation();
  const auto mean = wine.golden.at("mean").get<std::vector<double>>();
  const auto deviation = wine.golden.at("deviation").get<std::vector<double>>();
  for (std::size_t d = 0; d < 13; ++d) {
    CHECK(standard.mean[d] == doctest::Approx(mean[d]).epsilon(1e-6));  // stored as float32
    CHECK(standard.deviation[d] == doctest::Approx(deviation[d]).epsilon(1e-6));
  }
}

TEST_CASE("standardisation: blocks merge to the moments of the whole") {
  const test::Wine wine;
  Moments whole(13), merged(13), tail(13);
  const float* rows = wine.train.as<float>().data();
  whole.add(rows, 89);
  merged.add(rows, 7);
  tail.add(rows + 7 * 13, 82);
  merged.add(tail);
  CHECK(merged.count() == 89);
  for (std::size_t d = 0; d < 13; ++d) {
    CHECK(merged.mean()[d] == doctest::Approx(whole.mean()[d]).epsilon(1e-13));
    CHECK(merged.variance()[d] == doctest::Approx(whole.variance()[d]).epsilon(1e-13));
  }
}

TEST_CASE("standardisation: small variance far from zero survives, a constant feature is only shifted") {
  // given 1e6 with deviation 1, which float32 sums of squares would lose, and a constant
  std::vector<float> rows;
  for (int i = 0; i < 1000; ++i) {
    rows.push_back(1e6F + (i % 2 == 0 ? 1.0F : -1.0F));
    rows.push_back(0.1F);
  }
  Moments moments(2);
  moments.add(rows.data(), 1000);
  const Standardisation standard = moments.standardisation();
  CHECK(standard.deviation[0] == doctest::Approx(1.0));
  CHECK(standard.deviation[1] == 1.0F);
  float constant[2] = {1e6F, 0.1F};
  standard.apply(constant, constant, 1);
  CHECK(constant[0] == 0.0F);
  CHECK(constant[1] == doctest::Approx(0.0F));
}

TEST_CASE("standardisation: no rows give no shift and no scale") {
  const Standardisation standard = Moments(3).standardisation();
  CHECK(standard.mean == std::vector<float>(3, 0.0F));
  CHECK(standard.deviation == std::vector<float>(3, 1.0F));
}

}  // namespace
}  // namespace mt
