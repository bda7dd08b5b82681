#include "heads/feature_matrix.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/error.h"

namespace mt {
namespace {

Batch ragged() {
  Batch batch;
  batch.ids = {"a", "b"};
  batch.index = {0, 1};
  batch.offsets = {0, 2, 4};
  batch.rows = Tensor::of<std::uint8_t>({4, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255});
  return batch;
}

TEST_CASE("feature matrix: samples of equal length are laid end to end and keep their range") {
  const Tensor matrix = feature_matrix(ragged());
  CHECK(matrix.shape() == Shape{2, 6});
  CHECK(matrix.dtype() == DType::f32);
  CHECK(matrix.row<float>(1)[5] == 255.0F);
}

TEST_CASE("feature matrix: pooled features are taken as they are") {
  Batch batch;
  batch.ids = {"a", "b"};
  batch.rows = Tensor::of<float>({2, 2}, {1, 2, 3, 4});
  const Tensor matrix = feature_matrix(batch);
  CHECK(matrix.shape() == Shape{2, 2});
  CHECK(matrix.row<float>(1)[0] == 3.0F);
}

TEST_CASE("feature matrix: a sample of another length is named with both lengths") {
  Batch batch = ragged();
  batch.offsets = {0, 1, 4};
  CHECK_THROWS_WITH_AS(feature_matrix(batch), doctest::Contains("b: has 3 rows, the head takes 1"), Error);
  CHECK_THROWS_WITH_AS(feature_matrix(ragged(), 3), doctest::Contains("a: has 2 rows, the head takes 3"), Error);
}

TEST_CASE("feature matrix: a batch without samples gives a matrix without rows") {
  CHECK(feature_matrix(Batch{}).rows() == 0);
}

}  // namespace
}  // namespace mt
