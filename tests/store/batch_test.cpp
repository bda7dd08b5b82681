#include "store/batch.h"

#include <stdexcept>

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/schema.h"
#include "support/samples.h"

using namespace mt;

TEST_CASE("batch: slices put together again are the batch") {
  const Batch whole = test::make_batch(test::full_schema(), 0, 7);
  for (std::size_t cut = 0; cut <= whole.samples(); ++cut) {
    Batch joined = whole.slice(0, cut);
    joined.append(whole.slice(cut, whole.samples()));
    joined.rejected = whole.rejected;
    CAPTURE(cut);
    test::require_equal(joined, whole);
  }
}

TEST_CASE("batch: a slice starts at offset 0 and holds its samples' rows alone") {
  const Batch whole = test::make_batch(test::full_schema(), 0, 7);
  const Batch part = whole.slice(2, 5);
  CHECK(part.samples() == 3);
  CHECK(part.ids[0] == whole.ids[2]);
  CHECK(part.offsets.front() == 0);
  CHECK(part.rows.rows() == static_cast<std::size_t>(whole.offsets[5] - whole.offsets[2]));
  CHECK(part.row_end(0) - part.row_begin(0) == whole.row_end(2) - whole.row_begin(2));
  CHECK(part.rejected.empty());
}

TEST_CASE("batch: batches of different columns cannot be joined by accident") {
  Schema other = test::full_schema();
  other.has_labels = false;
  Batch batch = test::make_batch(test::full_schema(), 0, 2);
  CHECK_THROWS_AS(batch.append(test::make_batch(other, 2, 4)), std::logic_error);
  other = test::full_schema();
  other.width = 5;
  CHECK_THROWS_AS(batch.append(test::make_batch(other, 2, 4)), std::logic_error);
}

TEST_CASE("schema: the first difference is named with both sides") {
  const Schema expected = test::full_schema();
  Schema found = expected;
  CHECK(difference(found, expected).empty());
  found.creator = "another";
  CHECK(difference(found, expected).empty());
  found.width = 512;
  CHECK(difference(found, expected) == "/patches is 512 wide, not 4");
  found.config["scale"] = 2;
  CHECK(difference(found, expected) == "setting scale is 2, not absent");
  found.kind = Kind::features;
  CHECK(difference(found, expected) == "it holds features, not patches");
  CHECK_THROWS_AS(kind_named("pictures"), Error);
  CHECK(kind_named(name_of(Kind::predictions)) == Kind::predictions);
}
