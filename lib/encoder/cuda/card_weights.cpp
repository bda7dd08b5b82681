#include "encoder/cuda/card_weights.h"

#include <fmt/format.h>

#include "base/files.h"

namespace mt::cuda {

namespace {

Tensor transposed(const Tensor& matrix) {  // f32
  const std::size_t rows = matrix.rows(), columns = matrix.columns();
  Tensor turned(DType::f32, {columns, rows});
  float* out = turned.as<float>().data();
  const float* in = matrix.as<float>().data();
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < columns; ++j) out[j * rows + i] = in[i * columns + j];
  }
  return turned;
}

}  // namespace

DType storage_of(Precision precision) {
  if (precision == Precision::bf16) return DType::bf16;
  return precision == Precision::f16 ? DType::f16 : DType::f32;
}

CardWeights::CardWeights(const Part& part, const Architecture& a, Precision precision, Card& card) : card_(card) {
  for (std::size_t i = 0; i < a.blocks; ++i) {
    const std::string prefix = fmt::format("blocks.{}.", i);
    BlockWeights block;
    block.norm1 = norm_of(part, prefix + "norm1");
    block.qkv = linear_of(part, prefix + "attn.qkv", precision, precision);
    block.output = linear_of(part, prefix + "attn.proj", precision, Precision::f32);
    block.norm2 = norm_of(part, prefix + "norm2");
    block.hidden = linear_of(part, prefix + "mlp.fc1", precision, precision);
    block.mlp_output = linear_of(part, prefix + "mlp.fc2", precision, Precision::f32);
    blocks.push_back(block);
  }
  if (a.norm != Architecture::Norm::none) norm = norm_of(part, "norm");
  if (a.projection > 0) projection.weight = keep(transposed(part.at("projection").to(DType::f32)), Precision::f32);
}

const void* CardWeights::keep(const Tensor& tensor, Precision precision) {
  const DType dtype = storage_of(precision);
  Tensor converted;
  if (tensor.dtype() != dtype) {
    converted = tensor.dtype() == DType::f32 ? tensor.to(dtype) : tensor.to(DType::f32);
    if (converted.dtype() != dtype) converted = converted.to(dtype);
  }
  const auto bytes = tensor.dtype() == dtype ? tensor.bytes() : converted.bytes();
  CardMemory memory(card_);
  memory.reserve(bytes.size());
  card_.upload(memory.as(), bytes.data(), bytes.size());
  memory_.push_back(std::move(memory));
  return memory_.back().as();
}

NormWeights CardWeights::norm_of(const Part& part, const std::string& name) {
  return {static_cast<const float*>(keep(part.at(name + ".weight"), Precision::f32)),
          static_cast<const float*>(keep(part.at(name + ".bias"), Precision::f32))};
}

LinearWeights CardWeights::linear_of(const Part& part, const std::string& name, Precision precision, Precision bias) {
  const Tensor& weight = part.at(name + ".weight");
  const LinearWeights weights{keep(weight, precision), keep(part.at(name + ".bias"), bias)};
  // The file's weights would stand beside the card's in the host's memory otherwise.
  release_pages(weight.bytes());
  return weights;
}

}  // namespace mt::cuda
