#include "store/label_map.h"

#include <doctest/doctest.h>

#include "base/error.h"

using namespace mt;

TEST_CASE("label map: numbers follow the names, unknown stays unknown") {
  const LabelMap map({"dog", "cat"}, {"bird", "cat", "dog"}, "test.h5");
  const std::vector<std::int32_t> labels = {0, 1, -1, 0};
  CHECK(map(labels) == std::vector<std::int32_t>{2, 1, -1, 2});
}

TEST_CASE("label map: a name that is not wanted is an error with the nearest") {
  CHECK_THROWS_WITH_AS(
      LabelMap({"dog", "katze", "x"}, {"dog", "katzen"}, "test.h5"),
      "test.h5: its class \"katze\" (and 1 more) is none of the 2 known classes (did you mean \"katzen\"?)", Error);
}

TEST_CASE("label map: a number without a name is an error") {
  const LabelMap map({"dog"}, {"dog"}, "test.h5");
  CHECK_THROWS_WITH_AS(map(1), "test.h5: holds the label 1, but names 1 classes", Error);
}
