#include "tokenize/positions.h"

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "base/error.h"
#include "tokenize/goldens.h"
#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

namespace {

Size size_in(const nlohmann::json& pair) { return {pair[0].get<std::size_t>(), pair[1].get<std::size_t>()}; }

// A class position and a grid of two columns, as the goldens' script makes them.
Tensor positions_of(Size grid) {
  Tensor values = synthetic("noise", 1, grid.height * grid.width + 1, 2).to(DType::f32);
  for (float& value : values.as<float>()) value = value / 128 - 1;
  return std::move(values).reshaped({grid.height * grid.width + 1, 2});
}

}  // namespace

TEST_CASE("positions: grids are resized as timm and as Hugging Face resize them") {
  for (const auto& golden : image_golden("positions")) {
    INFO(golden.dump());
    const auto kind = position_resize_named(golden["kind"].get<std::string>());

    const Tensor resized = resized_positions(positions_of(size_in(golden["old"])), 1, size_in(golden["old"]),
                                             size_in(golden["new"]), kind);

    const auto expected = golden["values"].get<std::vector<float>>();
    REQUIRE(resized.size() == expected.size());
    // The reference rounds its weights to float32, the goldens have six digits.
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(std::abs(resized.as<float>()[i] - expected[i]) < 3e-6F);
  }
}

TEST_CASE("positions: an equal grid keeps its bytes") {
  const Tensor positions = positions_of({7, 7});
  const Tensor same = resized_positions(positions, 1, {7, 7}, {7, 7}, PositionResize::plain);
  CHECK(std::ranges::equal(positions.bytes(), same.bytes()));
}

TEST_CASE("positions: a grid that does not fit the rows is our own mistake, an unknown kind the file's") {
  CHECK_THROWS_AS(resized_positions(positions_of({7, 7}), 1, {7, 8}, {7, 7}, PositionResize::plain), std::logic_error);
  CHECK_THROWS_AS(position_resize_named("linear"), Error);
}

TEST_CASE("positions: sines and cosines tell every place of a grid from every other") {
  const Tensor positions = sincos_positions({14, 14}, 192);
  for (std::size_t a = 0; a < positions.rows(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      float distance = 0;
      for (std::size_t i = 0; i < 192; ++i)
        distance += std::abs(positions.row<float>(a)[i] - positions.row<float>(b)[i]);
      REQUIRE(distance > 1);
    }
  }
  // The first place: sines 0, cosines 1.
  CHECK(positions.row<float>(0)[0] == 0);
  CHECK(positions.row<float>(0)[48] == 1);
  CHECK(positions.row<float>(0)[96] == 0);
  CHECK(positions.row<float>(0)[144] == 1);
}
