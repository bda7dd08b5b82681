// Feature files for the training tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "store/sample_writer.h"

namespace mt::test {

inline Schema feature_schema(std::size_t width, std::vector<std::string> class_names) {
  Schema schema;
  schema.kind = Kind::features;
  schema.ragged = false;
  schema.modality = "image";
  schema.creator = "test";
  schema.config = {{"pool", "cls"}};
  schema.width = width;
  schema.has_labels = true;
  schema.label_names = std::move(class_names);
  return schema;
}

// rows: [N, schema.width]; labels: [N]. Ids are PREFIX0.png, PREFIX1.png, ...
inline std::string write_features(const std::filesystem::path& path, const Schema& schema, const Tensor& rows,
                                  const std::vector<std::int32_t>& labels, const std::string& prefix = "s") {
  const auto writer = SampleWriter::create(path.string(), schema, {});
  SetDigest inputs;
  constexpr std::size_t kBatch = 512;
  for (std::size_t begin = 0; begin < labels.size(); begin += kBatch) {
    const std::size_t end = std::min(labels.size(), begin + kBatch);
    Batch batch;
    for (std::size_t i = begin; i < end; ++i) {
      batch.ids.push_back(fmt::format("{}{}.png", prefix, i));
      batch.index.push_back(static_cast<std::int64_t>(i));
      if (schema.has_labels) batch.labels.push_back(labels[i]);
      inputs.add(batch.ids.back(), sha256(std::as_bytes(rows.row<float>(i))));
    }
    batch.rows = rows.rows_copy(begin, end);
    if (schema.dtype != DType::f32) batch.rows = batch.rows.to(schema.dtype);
    writer->write(batch);
  }
  writer->finish(inputs.value());
  return path.string();
}

// Normal clouds around classes' middles, with correlated features; sample i is of class i % classes.
struct Clouds {
  Tensor rows;
  std::vector<std::int32_t> labels;

  Clouds(std::size_t samples, std::size_t width, std::size_t classes, double distance, std::uint64_t seed = 1)
      : rows(DType::f32, {samples, width}) {
    for (std::size_t i = 0; i < samples; ++i) {
      labels.push_back(static_cast<std::int32_t>(i % classes));
      Random random(seed, i);
      Random middle(99, i % classes);
      double shared = random.normal();
      for (float& value : rows.row<float>(i)) {
        shared = 0.9 * shared + random.normal();
        value = static_cast<float>(shared + distance * middle.normal() + 3);
      }
    }
  }
};

}  // namespace mt::test
