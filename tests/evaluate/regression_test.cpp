#include <cmath>

#include <doctest/doctest.h>

#include "evaluate/regression.h"

using namespace mt;

// numpy: y = [[1, 10], [2, 20], [4, 30]], p = [[1, 12], [3, 20], [2, 33]];
// scikit-learn: mean_squared_error 3, mean_absolute_error 4 / 3, r2_score over all squared errors and variances below.
TEST_CASE("regression: errors agree with scikit-learn, in any batches") {
  const Tensor truth = Tensor::of<float>({3, 2}, {1, 10, 2, 20, 4, 30}),
               predicted = Tensor::of<float>({3, 2}, {1, 12, 3, 20, 2, 33});
  RegressionScorer whole(2), parts(2);
  whole.add(truth, predicted);
  parts.add(truth.rows_copy(0, 1), predicted.rows_copy(0, 1));
  parts.add(truth.rows_copy(1, 3), predicted.rows_copy(1, 3));
  for (const RegressionResult& result : {whole.result(), parts.result()}) {
    CHECK(result.samples == 3);
    CHECK(result.mse == doctest::Approx(18.0 / 6));
    CHECK(result.mae == doctest::Approx(8.0 / 6));
    CHECK(result.r2 == doctest::Approx(1 - 18.0 / (14.0 / 3 + 200)));
  }
}

TEST_CASE("regression: targets that never change have no r2") {
  RegressionScorer scorer(1);
  scorer.add(Tensor::of<float>({2, 1}, {5, 5}), Tensor::of<float>({2, 1}, {4, 6}));
  CHECK(std::isnan(scorer.result().r2));
  CHECK(json_report(scorer.result())["metrics"]["r2"].is_null());
}

TEST_CASE("regression: of probabilities, how many lie on the truth's side of 1/2") {
  RegressionScorer scorer(2, true);
  scorer.add(Tensor::of<float>({2, 2}, {1, 0, 0, 1}), Tensor::of<float>({2, 2}, {0.7F, 0.6F, 0.1F, 0.5F}));
  CHECK(*scorer.result().accuracy == 0.75);
  CHECK(json_report(scorer.result())["metrics"]["accuracy"] == 0.75);
  CHECK(text_report(scorer.result()).find("accuracy  0.7500") != std::string::npos);
  CHECK_FALSE(RegressionScorer(2).result().accuracy.has_value());
}
