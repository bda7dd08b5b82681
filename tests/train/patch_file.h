// Files of patches, and a small model that learns from them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "encoder/random_model.h"
#include "store/sample_writer.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/sequence_frame.h"

namespace mt::test {

constexpr std::size_t kPatchWidth = 6, kLongest = 5;

inline Schema patch_schema(std::size_t width = kPatchWidth) {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "time-series";
  schema.creator = "test";
  schema.config = {{"patch", 3}};
  schema.width = width;
  schema.positions = schema.pre_norm = false;
  schema.has_labels = true;
  schema.label_names = {"falls", "rises"};
  return schema;
}

// Sample i is noise around a slope that falls (even i) or rises along its 3 to 5 patches; ids are s0, s1, ...
inline Batch slopes(std::size_t samples, std::uint64_t seed = 3) {
  Batch batch;
  batch.offsets = {0};
  batch.rows = Tensor(DType::f32, {0, kPatchWidth});
  for (std::size_t i = 0; i < samples; ++i) {
    Random random(seed, i);
    const std::size_t length = 3 + random.below(kLongest - 2), before = batch.rows.rows();
    batch.rows.resize_rows(before + length);
    for (std::size_t t = 0; t < length; ++t) {
      for (float& value : batch.rows.row<float>(before + t))
        value = static_cast<float>((i % 2 == 0 ? -0.7 : 0.7) * (static_cast<double>(t) - 1) + 0.4 * random.normal());
    }
    batch.ids.push_back(fmt::format("s{}", i));
    batch.index.push_back(static_cast<std::int64_t>(i));
    batch.labels.push_back(static_cast<std::int32_t>(i % 2));
    batch.offsets.push_back(static_cast<std::int64_t>(before + length));
  }
  return batch;
}

// Beside their labels: what rises (falls: negative) by patch, in units of a thousand around 5000, and whether it rises.
inline Batch slopes_with_targets(std::size_t samples, std::uint64_t seed = 3) {
  Batch batch = slopes(samples, seed);
  batch.targets = Tensor(DType::f32, {samples, 2});
  for (std::size_t i = 0; i < samples; ++i) {
    batch.targets.row<float>(i)[0] = i % 2 == 0 ? 4300.0F : 5700.0F;
    batch.targets.row<float>(i)[1] = i % 2 == 0 ? 0.0F : 1.0F;
  }
  return batch;
}
inline Schema target_schema() {
  Schema schema = patch_schema();
  schema.target_width = 2;
  schema.target_names = {"slope", "rises"};
  return schema;
}

inline std::string write_patches(const std::filesystem::path& path, const Batch& batch,
                                 const Schema& schema = patch_schema()) {
  const auto writer = SampleWriter::create(path.string(), schema, {});
  SetDigest inputs;
  for (std::size_t i = 0; i < batch.samples(); ++i) {
    const Batch one = batch.slice(i, i + 1);
    inputs.add(batch.ids[i], sha256(one.rows.bytes()));
    writer->write(one);
  }
  writer->finish(inputs.value());
  return path.string();
}

// The first blocks of random:tiny and a fresh tokenizer for patches as slopes() has them.
inline Model small_model(std::size_t blocks = 2) {
  Model model = random_model("tiny", 5);
  model.parts.erase("tokenizer/image");
  Part& encoder = model.parts.at("encoder");
  std::erase_if(encoder.tensors, [&](const auto& entry) {
    for (std::size_t b = blocks; b < 6; ++b) {
      if (entry.first.starts_with(fmt::format("blocks.{}.", b))) return true;
    }
    return false;
  });
  encoder.config["blocks"] = blocks;
  Part& tokenizer = model.parts["tokenizer/time-series"];
  tokenizer.config["modality"] = "time-series";
  add_initial_projection(tokenizer, 192, kPatchWidth, true, 1);
  add_initial_frame(tokenizer, 192, 1, kLongest, 1);
  return model;
}

}  // namespace mt::test
