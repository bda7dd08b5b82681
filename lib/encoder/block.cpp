#include "encoder/block.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/files.h"

namespace mt {

std::span<const float> as_floats(const Tensor& tensor, Tensor& storage) {
  if (tensor.dtype() == DType::f32) return tensor.as<float>();
  storage = tensor.to(DType::f32);
  return storage.as<float>();
}

LayerNorm layer_norm_of(const Part& part, const std::string& name, double eps) {
  Tensor gain, bias;
  const auto g = as_floats(part.at(name + ".weight"), gain), b = as_floats(part.at(name + ".bias"), bias);
  return {{g.begin(), g.end()}, {b.begin(), b.end()}, static_cast<float>(eps)};
}

Block::Block(const Part& part, const Architecture& a, std::size_t index, const Numbers& numbers)
    : prefix_(fmt::format("blocks.{}.", index)),
      width_(a.width),
      mlp_(a.mlp),
      activation_(a.activation == Architecture::Activation::gelu ? Finish::bias_gelu : Finish::bias_quick_gelu),
      numbers_(numbers),
      norm1_(layer_norm_of(part, prefix_ + "norm1", a.eps)),
      norm2_(layer_norm_of(part, prefix_ + "norm2", a.eps)),
      attention_(a.heads, a.width / a.heads, static_cast<float>(a.scale)) {}

std::unique_ptr<Linear> Block::linear(const Part& part, const std::string& name, std::size_t first, std::size_t outputs,
                                      std::size_t inputs, Finish finish) const {
  Tensor weight_storage, bias_storage;
  const Tensor& stored = part.at(prefix_ + name + ".weight");
  const auto weight = as_floats(stored, weight_storage);
  const auto bias = as_floats(part.at(prefix_ + name + ".bias"), bias_storage);
  auto packed = std::make_unique<Linear>(weight.subspan(first * inputs, outputs * inputs), bias.subspan(first, outputs),
                                         inputs, outputs, finish, *numbers_.kernels, numbers_.precision);
  // The file's weights would stand beside the packed ones in memory otherwise.
  const std::size_t row_bytes = inputs * size_of(stored.dtype());
  release_pages(stored.bytes().subspan(first * row_bytes, outputs * row_bytes));
  return packed;
}

void Block::pack(const Part& part, std::size_t index) {
  switch (index) {
    case 0:
      query_ = linear(part, "attn.qkv", 0, width_, width_, Finish::bias);
      break;
    case 1:
      key_ = linear(part, "attn.qkv", width_, width_, width_, Finish::bias);
      break;
    case 2:
      value_ = linear(part, "attn.qkv", 2 * width_, width_, width_, Finish::bias);
      break;
    case 3:
      output_ = linear(part, "attn.proj", 0, width_, width_, Finish::bias_add);
      break;
    case 4:
      hidden_ = linear(part, "mlp.fc1", 0, mlp_, width_, activation_);
      break;
    default:
      mlp_output_ = linear(part, "mlp.fc2", 0, width_, mlp_, Finish::bias_add);
  }
}

AnyRows BlockWorkspace::rows(Purpose purpose, std::size_t count, std::size_t width) {
  const std::size_t element = numbers_.narrow() ? sizeof(std::uint16_t) : sizeof(float);
  return {buffers_[purpose].reserve(count * width * element), numbers_.narrow(), count, width};
}

namespace {

// The keys [tokens, heads * head size] averaged over heads.
void average_heads(AnyRows keys, Rows<float> metric) {
  const std::size_t heads = keys.width / metric.width;
  for (std::size_t i = 0; i < keys.count; ++i) {
    float* out = metric.row(i);
    std::fill_n(out, metric.width, 0.0f);
    for (std::size_t h = 0; h < heads; ++h) {
      const void* key = keys.at(i, h * metric.width);
      for (std::size_t j = 0; j < metric.width; ++j) {
        out[j] += keys.narrow ? to_float(static_cast<const BFloat16*>(key)[j]) : static_cast<const float*>(key)[j];
      }
    }
    for (std::size_t j = 0; j < metric.width; ++j) out[j] /= static_cast<float>(heads);
  }
}

}  // namespace

void Block::before_attention(std::size_t begin, Rows<const float> x, AnyRows queries, KeysAndValues& kv,
                             Rows<float> metric, BlockWorkspace& workspace) const {
  const AnyRows keys = workspace.rows(BlockWorkspace::keys, x.count, width_);
  const AnyRows values = workspace.rows(BlockWorkspace::values, x.count, width_);
  const OperandRows normed = workspace.operand.of_normed(norm1_, x);
  workspace.watch.lap(LayerKind::norm);
  query_->forward(normed, queries);
  key_->forward(normed, keys);
  value_->forward(normed, values);
  workspace.watch.lap(LayerKind::qkv);
  kv.store(begin, keys, values);
  workspace.watch.lap(LayerKind::attention);
  if (metric.width > 0) average_heads(keys, metric);
  workspace.watch.lap(LayerKind::rest);
}

void Block::attend(std::size_t begin, Rows<float> x, AnyRows queries, const KeysAndValues& kv, const float* key_bias,
                   BlockWorkspace& workspace) const {
  const AnyRows attended = workspace.rows(BlockWorkspace::attended, x.count, width_);
  attention_.forward(begin, queries, kv, attended, workspace.scratch, key_bias);
  workspace.watch.lap(LayerKind::attention);
  const OperandRows operand = workspace.operand.of(attended);
  workspace.watch.lap(LayerKind::quantise);
  output_->forward(operand, x);
  workspace.watch.lap(LayerKind::attention_output);
}

void Block::feed_forward(Rows<float> x, BlockWorkspace& workspace) const {
  const AnyRows hidden = workspace.rows(BlockWorkspace::hidden, x.count, mlp_);
  const OperandRows normed = workspace.operand.of_normed(norm2_, x);
  workspace.watch.lap(LayerKind::norm);
  hidden_->forward(normed, hidden);
  workspace.watch.lap(LayerKind::mlp_hidden);
  const OperandRows operand = workspace.operand.of(hidden);
  workspace.watch.lap(LayerKind::quantise);
  mlp_output_->forward(operand, x);
  workspace.watch.lap(LayerKind::mlp_output);
}

}  // namespace mt
