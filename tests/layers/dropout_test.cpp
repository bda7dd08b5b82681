#include "layers/dropout.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

namespace mt {
namespace {

TEST_CASE("dropout: drops the asked share and keeps the expected value") {
  const Dropout dropout{.probability = 0.25, .seed = 3, .step = 5, .layer = 1};
  std::vector<float> values(100000, 1.0F);
  dropout.apply(values, 0);
  const auto dropped = std::count(values.begin(), values.end(), 0.0F);
  CHECK(static_cast<double>(dropped) == doctest::Approx(25000).epsilon(0.03));  // 5 standard deviations
  CHECK(*std::max_element(values.begin(), values.end()) == doctest::Approx(1 / 0.75));
}

TEST_CASE("dropout: the mask depends on seed, step, layer and row, and on nothing else") {
  const auto mask = [](std::uint64_t seed, std::uint64_t step, std::uint64_t layer, std::size_t row) {
    std::vector<float> values(64, 1.0F);
    Dropout{.probability = 0.5, .seed = seed, .step = step, .layer = layer}.apply(values, row);
    return values;
  };
  CHECK(mask(1, 2, 3, 4) == mask(1, 2, 3, 4));
  CHECK(mask(1, 2, 3, 4) != mask(2, 2, 3, 4));
  CHECK(mask(1, 2, 3, 4) != mask(1, 3, 3, 4));
  CHECK(mask(1, 2, 3, 4) != mask(1, 2, 4, 4));
  CHECK(mask(1, 2, 3, 4) != mask(1, 2, 3, 5));
}

TEST_CASE("dropout: probability 0 changes nothing") {
  std::vector<float> values = {1, 2, 3};
  Dropout{}.apply(values, 0);
  CHECK(values == std::vector<float>{1, 2, 3});
}

}  // namespace
}  // namespace mt
