// Samples made of their own numbers: sample i is the same whatever batch it comes in.
#pragma once

#include <cstdint>
#include <string>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "store/batch.h"
#include "store/schema.h"

namespace mt::test {

// Every column that a file can have.
inline Schema full_schema() {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "image";
  schema.creator = "mt-test 1.0";
  schema.config = {{"size", 224}, {"mean", {0.5, 0.25}}, {"name", "größer"}};
  schema.width = 4;
  schema.has_labels = true;
  schema.label_names = {"cat", "dog", "fox"};
  schema.target_width = 2;
  schema.target_names = {"height", "weight"};
  schema.number_width = 1;
  schema.number_names = {"age"};
  schema.code_width = 3;
  schema.has_centers = schema.has_token_labels = schema.has_grid = schema.has_boxes = true;
  schema.source = std::string(64, 'a');
  return schema;
}

inline Schema tokens_schema(std::size_t width = 16) {
  Schema schema;
  schema.modality = "image";
  schema.creator = "mt-test 1.0";
  schema.config = {{"size", 224}};
  schema.width = width;
  schema.prefix = 1;
  schema.positions = false;
  schema.source = std::string(64, 'b');
  return schema;
}

inline Schema features_schema(std::size_t width = 16) {
  Schema schema;
  schema.kind = Kind::features;
  schema.creator = "mt-test 1.0";
  schema.config = {{"pool", "cls"}};
  schema.width = width;
  schema.ragged = false;
  schema.has_labels = true;
  schema.label_names = {"cat", "dog", "fox"};
  return schema;
}

inline Tensor numbered(DType dtype, std::size_t rows, std::size_t columns, std::size_t seed) {
  Tensor tensor(dtype, {rows, columns});
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    const std::size_t value = (seed * 31 + i) % 200;
    switch (dtype) {
      case DType::f32:
        tensor.as<float>()[i] = static_cast<float>(value) / 8;
        break;
      case DType::f16:
        tensor.as<Half>()[i] = to_half(static_cast<float>(value) / 8);
        break;
      case DType::u8:
        tensor.as<std::uint8_t>()[i] = static_cast<std::uint8_t>(value);
        break;
      default:
        tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(value);
        break;
    }
  }
  return tensor;
}

// Sample i has i % 4 + 1 rows (sample 5 has none) and i % 3 boxes. Input 10 k + 3 is rejected.
inline bool is_rejected(std::size_t i) { return i % 10 == 3; }

inline Batch make_sample(const Schema& schema, std::size_t i) {
  Batch one;
  const std::size_t rows = !schema.ragged ? 1 : i == 5 ? 0 : i % 4 + 1, boxes = i % 3;
  one.ids = {fmt::format("folder/größer {}.png", i)};
  one.index = {static_cast<std::int64_t>(i)};
  if (schema.has_labels) one.labels = {static_cast<std::int32_t>(i % 4) - 1};
  if (schema.target_width > 0) one.targets = numbered(DType::f32, 1, schema.target_width, i);
  if (schema.number_width > 0) one.numbers = numbered(DType::f32, 1, schema.number_width, i + 1);
  if (schema.ragged) one.offsets = {0, static_cast<std::int64_t>(rows)};
  one.rows = numbered(schema.dtype, rows, schema.width, i);
  if (schema.code_width > 0) one.codes = numbered(DType::i32, rows, schema.code_width, i);
  if (schema.has_centers) one.centers = numbered(DType::f32, rows, 3, i);
  if (schema.has_token_labels) one.token_labels.assign(rows, static_cast<std::int32_t>(i));
  if (schema.has_grid) one.grid = numbered(DType::i32, 1, 3, i);
  if (schema.has_boxes) {
    one.boxes = numbered(DType::f32, boxes, 5, i);
    one.box_offsets = {0, static_cast<std::int64_t>(boxes)};
  }
  return one;
}

// Inputs [begin, end), every step-th one: samples and rejected ones.
inline Batch make_batch(const Schema& schema, std::size_t begin, std::size_t end, std::size_t step = 1) {
  Batch batch;
  for (std::size_t i = begin; i < end; i += step) {
    if (is_rejected(i)) {
      batch.rejected.push_back({fmt::format("bad {}.png", i), static_cast<std::int64_t>(i), "it is cut"});
    } else {
      batch.append(make_sample(schema, i));
    }
  }
  return batch;
}

inline void require_equal(const Tensor& a, const Tensor& b) {
  REQUIRE(a.dtype() == b.dtype());
  REQUIRE(a.shape() == b.shape());
  REQUIRE(std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end()));
}

inline void require_equal(const Batch& a, const Batch& b) {
  REQUIRE(a.ids == b.ids);
  REQUIRE(a.index == b.index);
  REQUIRE(a.labels == b.labels);
  REQUIRE(a.offsets == b.offsets);
  REQUIRE(a.token_labels == b.token_labels);
  REQUIRE(a.box_offsets == b.box_offsets);
  REQUIRE(a.rejected == b.rejected);
  require_equal(a.targets, b.targets);
  require_equal(a.rows, b.rows);
  require_equal(a.codes, b.codes);
  require_equal(a.centers, b.centers);
  require_equal(a.grid, b.grid);
  require_equal(a.boxes, b.boxes);
}

}  // namespace mt::test
