#include "evaluate/score_spool.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/temporary_directory.h"

using namespace mt;

TEST_CASE("score spool: rows come back in order, twice, however little memory there is, and leave no file") {
  const test::TemporaryDirectory directory;
  for (const std::size_t limit : {0, 100, 1 << 20}) {
    CAPTURE(limit);
    ScoreSpool spool(3, directory.path(), limit);
    for (int i = 0; i < 1000; ++i) {
      const float row[] = {static_cast<float>(i), 0.5F, static_cast<float>(-i)};
      spool.add(row);
    }
    CHECK(spool.rows() == 1000);
    CHECK(std::filesystem::is_empty(directory.path()));
    for (int pass = 0; pass < 2; ++pass) {
      std::size_t seen = 0;
      spool.for_each([&](std::size_t row, std::span<const float> scores) {
        REQUIRE(row == seen++);
        REQUIRE(scores.size() == 3);
        REQUIRE(scores[0] == static_cast<float>(row));
        REQUIRE(scores[2] == -static_cast<float>(row));
      });
      CHECK(seen == 1000);
    }
    const float more[] = {1000, 0, -1000};
    spool.add(more);  // after reading, the file goes on at its end
    std::size_t last = 0;
    spool.for_each([&](std::size_t row, std::span<const float> scores) {
      CHECK(scores[0] == static_cast<float>(row));
      last = row;
    });
    CHECK(last == 1000);
  }
}

TEST_CASE("score spool: a directory that does not exist is named") {
  ScoreSpool spool(1, "/nonexistent-directory", 4);
  const float row[] = {1};
  spool.add(row);
  CHECK_THROWS_WITH_AS(spool.add(row), doctest::Contains("/nonexistent-directory: could not create a temporary file"),
                       Error);
}
