#include "tokenize/linear_embedding.h"

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"

namespace mt {

namespace {

TrainableLinear projection_of(const Part& part) {
  const std::string where = tokenizer_where(part);
  Shape any = part.at("patch.weight").shape();
  if (any.size() < 2) throw Error(where, fmt::format("patch.weight has the shape {}", to_string(any)));
  any.assign(any.size(), 0);
  Tensor weight = tokenizer_floats(part, "patch.weight", any, where);
  const std::size_t outputs = weight.rows(), inputs = weight.columns();
  Tensor bias =
      part.has("patch.bias") ? tokenizer_floats(part, "patch.bias", {outputs}, where) : Tensor(DType::f32, {outputs});
  return {"patch", std::move(weight).reshaped({outputs, inputs}), std::move(bias)};
}

}  // namespace

LinearEmbedding::LinearEmbedding(const Part& part)
    : weight_shape_(part.at("patch.weight").shape()),
      has_bias_(part.has("patch.bias")),
      projection_(projection_of(part)),
      frame_(part, projection_.outputs()) {
  if (part.has("norm.weight")) {
    const std::string where = tokenizer_where(part);
    norm_ = TrainableLayerNorm("norm", tokenizer_floats(part, "norm.weight", {width()}, where),
                               tokenizer_floats(part, "norm.bias", {width()}, where),
                               tokenizer_eps(part, "norm_eps", 1e-5F));
  }
  LinearEmbedding::parameters_changed();
}

void LinearEmbedding::parameters_changed() {
  packed_ = std::make_unique<Linear>(std::as_const(projection_.weight.value).as<float>(),
                                     std::as_const(projection_.bias.value).as<float>(), patch_size(), width(),
                                     Finish::bias, kernels());
}

void LinearEmbedding::require(const PatchRows& in, std::size_t sequence) const {
  if (in.patches.columns() != patch_size()) {
    throw Error("", fmt::format("patches of {} numbers, the tokenizer takes {}", in.patches.columns(), patch_size()),
                "cut them as its training data were");
  }
  frame_.require(in, sequence);
}

Tensor LinearEmbedding::projected(const Tensor& patches) const {
  if (patches.columns() != patch_size()) throw std::logic_error("LinearEmbedding: patches of another width");
  Tensor rows(DType::f32, {patches.rows(), width()});
  packed_->forward(Rows<const float>(patches.as<float>().data(), patches.rows(), patch_size()),
                   Rows<float>(rows.as<float>().data(), rows.rows(), width()));
  return rows;
}

Tensor LinearEmbedding::forward(const PatchRows& in) const {
  Tensor rows = projected(in.patches);
  if (norm_) norm_->forward(rows, rows);
  return frame_.forward(rows, in);
}

void LinearEmbedding::backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) {
  const Tensor before = projected(in.patches);
  Tensor rows = before;
  if (norm_) norm_->forward(before, rows);
  Tensor slope(DType::f32, rows.shape());
  frame_.backward(rows, in, dy, slope);
  if (norm_) norm_->backward(before, slope, slope);
  projection_.backward(in.patches, slope, nullptr, pool);
}

template <class Self>
auto LinearEmbedding::parameters_of(Self& self) {
  std::vector all = {&self.projection_.weight};
  if (self.has_bias_) all.push_back(&self.projection_.bias);
  if (self.norm_) all.insert(all.end(), {&self.norm_->gain, &self.norm_->bias});
  const auto around = self.frame_.parameters();
  all.insert(all.end(), around.begin(), around.end());
  return all;
}

std::vector<Parameter*> LinearEmbedding::parameters() { return parameters_of(*this); }

void LinearEmbedding::store(Part& part) const {
  for (const Parameter* parameter : parameters_of(*this)) {
    part.tensors[parameter->name] = parameter->value;
    part.digests.erase(parameter->name);
  }
  part.tensors["patch.weight"] = std::move(part.tensors["patch.weight"]).reshaped(weight_shape_);
}

void add_initial_projection(Part& part, std::size_t width, std::size_t patch_size, bool bias, std::uint64_t seed) {
  Tensor weight(DType::f32, {width, patch_size});
  Random(seed, stream_of(tokenizer_where(part) + ": patch.weight"))
      .fill_normal(weight.as<float>(), 0, static_cast<float>(1 / std::sqrt(static_cast<double>(patch_size))));
  part.tensors["patch.weight"] = std::move(weight);
  if (bias) part.tensors["patch.bias"] = Tensor(DType::f32, {width});
  part.config["embedding"] = "linear";
  part.config["width"] = width;
}

}  // namespace mt
