// Weights and inputs that C++ and tests/reference/make_encoder_goldens.py compute alike, so that goldens stay small.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "store/model.h"

namespace mt::test {

inline std::uint32_t stream_of_name(const std::string& name) {
  std::uint32_t h = 2166136261u;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 16777619u;
  return h;
}

// offset + scale * u, u uniform in [-1, 1) from a hash of (name, position).
inline Tensor hashed(const std::string& name, const Shape& shape, double scale, float offset = 0) {
  Tensor tensor(DType::f32, shape);
  const std::uint32_t stream = stream_of_name(name);
  const auto values = tensor.as<float>();
  for (std::uint32_t i = 0; i < values.size(); ++i) {
    std::uint32_t h = i * 0x9E3779B1u + stream;
    h ^= h >> 16;
    h *= 0x7FEB352Du;
    h ^= h >> 15;
    h *= 0x846CA68Bu;
    h ^= h >> 16;
    const float u = static_cast<float>(h >> 8) * 0x1p-23f - 1.0f;
    values[i] = offset + static_cast<float>(scale) * u;
  }
  return tensor;
}

struct Size {
  std::size_t blocks, width, heads, mlp;
};
inline constexpr Size kTiny{3, 192, 3, 768}, kB16{12, 768, 12, 3072}, kL14{24, 1024, 16, 4096};

// An "encoder" part of the given size with a final norm.
inline Part hashed_encoder(const Size& size) {
  Part part;
  part.config = {{"blocks", size.blocks}, {"width", size.width},  {"heads", size.heads},      {"mlp", size.mlp},
                 {"eps", 1e-5},           {"activation", "gelu"}, {"norm", "before_pooling"}, {"family", "hashed"}};
  const auto weight = [&](const std::string& name, std::size_t outputs, std::size_t inputs) {
    part.tensors[name + ".weight"] =
        hashed(name + ".weight", {outputs, inputs}, 1.4 / std::sqrt(static_cast<double>(inputs)));
    part.tensors[name + ".bias"] = hashed(name + ".bias", {outputs}, 0.05);
  };
  const auto norm = [&](const std::string& name) {
    part.tensors[name + ".weight"] = hashed(name + ".weight", {size.width}, 0.2, 1);
    part.tensors[name + ".bias"] = hashed(name + ".bias", {size.width}, 0.05);
  };
  for (std::size_t i = 0; i < size.blocks; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    norm(block + "norm1");
    weight(block + "attn.qkv", 3 * size.width, size.width);
    weight(block + "attn.proj", size.width, size.width);
    norm(block + "norm2");
    weight(block + "mlp.fc1", size.mlp, size.width);
    weight(block + "mlp.fc2", size.width, size.mlp);
  }
  norm("norm");
  return part;
}

// Sequences of these lengths laid end to end: sample i is hashed("tokens.i").
struct HashedBatch {
  Tensor tokens;
  std::vector<std::int64_t> offsets = {0};
};
inline HashedBatch hashed_batch(const std::vector<std::size_t>& lengths, std::size_t width) {
  HashedBatch batch;
  std::vector<float> values;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    const Tensor sample = hashed(fmt::format("tokens.{}", i), {lengths[i], width}, 1.7);
    values.insert(values.end(), sample.as<float>().begin(), sample.as<float>().end());
    batch.offsets.push_back(batch.offsets.back() + static_cast<std::int64_t>(lengths[i]));
  }
  batch.tokens = Tensor::of<float>({values.size() / width, width}, std::span<const float>(values));
  return batch;
}

}  // namespace mt::test
