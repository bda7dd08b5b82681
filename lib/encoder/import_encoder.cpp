// Blocks, final norm and projection.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "encoder/import.h"
#include "store/foreign_tensor.h"

namespace mt {

namespace {

// [rows, columns] -> [columns, rows]
Tensor transposed(const Tensor& tensor) {
  const std::size_t rows = tensor.rows(), columns = tensor.columns();
  const std::uint64_t strides[] = {1, columns};
  return contiguous_copy(tensor.dtype(), {columns, rows}, strides, tensor.bytes());
}

// Names of the bias or biases of q, k and v; an empty one stands for zeros, and none for a model without them.
std::vector<std::string> qkv_bias_names(const Import& job, std::size_t i) {
  const BlockKeys& keys = job.layout.block;
  std::vector<std::string> names;
  if (keys.qkv.empty()) {
    for (const std::string_view stem : keys.separate) names.push_back(job.block_name(i, fmt::format("{}bias", stem)));
  } else {
    names = {job.block_name(i, fmt::format("{}bias", keys.qkv))};
    const std::string query = job.block_name(i, "attn.q_bias");
    if (job.source.has(query)) names = {query, "", job.block_name(i, "attn.v_bias")};  // VideoMAE: keys have no bias
  }
  const bool any =
      std::any_of(names.begin(), names.end(), [&](const std::string& name) { return job.source.has(name); });
  return any ? names : std::vector<std::string>();
}

Tensor take_qkv_bias(Import& job, const std::vector<std::string>& names) {
  const std::size_t rows = 3 * job.width / std::max<std::size_t>(names.size(), 1);
  std::vector<Tensor> biases;
  for (const std::string& name : names) {
    auto bias = name.empty() ? std::nullopt : job.source.take(name, {rows});
    biases.push_back(bias ? *std::move(bias) : Tensor(DType::f32, {rows}));
  }
  if (biases.size() == 1) return std::move(biases[0]);
  return biases.empty() ? Tensor(DType::f32, {3 * job.width}) : stacked(biases);
}

void take_qkv(Import& job, Part& encoder, const std::string& ours, std::size_t i) {
  const BlockKeys& keys = job.layout.block;
  const std::size_t d = job.width;
  if (!keys.qkv.empty()) {
    job.take(encoder, ours + "weight", job.block_name(i, fmt::format("{}weight", keys.qkv)), {3 * d, d});
    return;
  }
  std::vector<Tensor> weights;
  for (const std::string_view stem : keys.separate) {
    auto weight = job.source.take(job.block_name(i, fmt::format("{}weight", stem)), {d, d});
    if (weight) weights.push_back(*std::move(weight));
  }
  if (weights.size() == 3) encoder.tensors.insert_or_assign(ours + "weight", stacked(weights));
}

void take_blocks(Import& job, Part& encoder) {
  const BlockKeys& keys = job.layout.block;
  const std::size_t d = job.width;
  std::size_t without_bias = 0;
  for (std::size_t i = 0; i < job.blocks; ++i) {
    const std::string ours = fmt::format("blocks.{}.", i);
    job.take_both(encoder, ours + "norm1.", job.block_name(i, keys.norm1), {d}, {d});
    take_qkv(job, encoder, ours + "attn.qkv.", i);
    const auto biases = qkv_bias_names(job, i);
    without_bias += biases.empty() ? 1 : 0;
    encoder.tensors.insert_or_assign(ours + "attn.qkv.bias", take_qkv_bias(job, biases));
    job.take_both(encoder, ours + "attn.proj.", job.block_name(i, keys.proj), {d, d}, {d});
    job.take_both(encoder, ours + "norm2.", job.block_name(i, keys.norm2), {d}, {d});
    job.take_both(encoder, ours + "mlp.fc1.", job.block_name(i, keys.fc1), {job.mlp, d}, {job.mlp});
    job.take_both(encoder, ours + "mlp.fc2.", job.block_name(i, keys.fc2), {d, job.mlp}, {d});
  }
  if (without_bias > 0)
    job.notes.push_back(fmt::format("no qkv bias in {} of {} blocks: zeros", without_bias, job.blocks));
}

// Linear layers hold the transpose of the projection: Hugging Face's beside the tower, and the head of timm's raw CLIP
// towers (a classifier has a bias).
std::string linear_projection(const Import& job) {
  if (!job.layout.linear_projection.empty()) return fmt::format("{}{}", job.base, job.layout.linear_projection);
  return job.timm_clip && !job.source.has("head.bias") ? job.source.prefix() + "head.weight" : "";
}

void take_projection(Import& job, Part& encoder) {
  const Tensor* own = job.layout.projection.empty() ? nullptr : job.source.find(job.layout.projection);
  if (own != nullptr) {
    job.take(encoder, "projection", job.layout.projection, {job.width, own->columns()});
    return;
  }
  const std::string name = linear_projection(job);
  const auto found = job.source.rest().find(name);
  if (name.empty() || found == job.source.rest().end()) return;
  const auto weight = job.source.take_outside(name, {found->second.rows(), job.width});
  if (weight) encoder.tensors.insert_or_assign("projection", transposed(*weight));
}

}  // namespace

void import_encoder(Import& job) {
  Part& encoder = job.model.parts["encoder"];
  take_blocks(job, encoder);
  const auto has_norm = [&](std::string_view stem) {
    return !stem.empty() && job.source.has(fmt::format("{}weight", stem));
  };
  std::string norm = "none", pooling = "cls";
  if (has_norm(job.layout.pooled_norm)) {
    job.take_both(encoder, "norm.", job.layout.pooled_norm, {job.width}, {job.width});
    norm = "after_pooling";
    pooling = "mean";
  } else if (!job.layout.norm.empty() && (job.has_tokenizer || has_norm(job.layout.norm))) {
    job.take_both(encoder, "norm.", job.layout.norm, {job.width}, {job.width});
    norm = "before_pooling";
    pooling = job.config.pooling.value_or("cls");
  }
  take_projection(job, encoder);
  encoder.config = {{"blocks", job.blocks}, {"width", job.width},           {"heads", job.heads}, {"mlp", job.mlp},
                    {"eps", job.eps},       {"activation", job.activation}, {"scale", job.scale}, {"norm", norm},
                    {"pooling", pooling},   {"family", job.family}};
}

}  // namespace mt
