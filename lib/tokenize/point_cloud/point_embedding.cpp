#include "tokenize/point_cloud/point_embedding.h"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "layers/activation.h"
#include "tokenize/point_cloud/point_cloud_samples.h"

namespace mt {

namespace {

constexpr std::size_t kInner1 = 128, kInner2 = 256, kInner3 = 512, kPositionInner = 128;
constexpr std::size_t kPatchesAtOnce = 8;     // forward: what a product gives stays in cache until the next takes it
constexpr std::size_t kPatchesBackward = 64;  // backward keeps every layer's result of so many
const std::string kWhere = "tokenizer/point-cloud";

TrainableLinear linear_of(const Part& part, const std::string& name, std::size_t inputs) {
  Tensor weight = tokenizer_floats(part, name + ".weight", {0, inputs}, kWhere);
  const std::size_t outputs = weight.rows();
  Tensor bias = part.has(name + ".bias") ? tokenizer_floats(part, name + ".bias", {outputs}, kWhere)
                                         : Tensor(DType::f32, {outputs});
  return {name, std::move(weight), std::move(bias)};
}

TrainableBatchNorm norm_of(const Part& part, const std::string& name, std::size_t width) {
  const auto row = [&](const char* leaf) { return tokenizer_floats(part, name + leaf, {width}, kWhere); };
  return {name,
          row(".weight"),
          row(".bias"),
          row(".running_mean"),
          row(".running_var"),
          tokenizer_eps(part, "norm_eps", 1e-5F)};
}

// weight [outputs, columns] of a wider one, each row times its scale.
std::vector<float> scaled_columns(const TrainableLinear& linear, std::size_t begin, std::size_t columns,
                                  const std::vector<float>& scale) {
  std::vector<float> part;
  part.reserve(linear.outputs() * columns);
  for (std::size_t o = 0; o < linear.outputs(); ++o) {
    for (const float value : linear.weight.value.row<float>(o).subspan(begin, columns)) {
      part.push_back(value * scale[o]);
    }
  }
  return part;
}

Linear packed(const TrainableLinear& linear) {
  return {linear.weight.value.as<float>(),
          linear.bias.value.as<float>(),
          linear.inputs(),
          linear.outputs(),
          Finish::bias,
          kernels()};
}

Rows<float> rows_of(Tensor& tensor, std::size_t count) { return {tensor.as<float>().data(), count, tensor.columns()}; }

void run(const Linear& linear, const Tensor& x, Tensor& y, std::size_t count) {
  linear.forward(Rows<const float>(x.as<float>().data(), count, x.columns()), rows_of(y, count));
}

void relu(std::span<float> values) {
  for (float& value : values) value = std::max(value, 0.0F);
}

// The largest of each column of rows [begin, begin + count) of x.
void maximum(const Tensor& x, std::size_t begin, std::size_t count, std::span<float> out) {
  std::ranges::copy(x.row<float>(begin), out.begin());
  for (std::size_t r = begin + 1; r < begin + count; ++r) {
    const auto row = x.row<float>(r);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::max(out[i], row[i]);
  }
}

// joined: [patches * count, 2 * columns of x]: each patch's maximum beside each of its rows.
void join_with_maximum(const Tensor& x, std::size_t patches, std::size_t count, Tensor& joined) {
  const std::size_t columns = x.columns();
  for (std::size_t p = 0; p < patches; ++p) {
    const auto first = joined.row<float>(p * count).first(columns);
    maximum(x, p * count, count, first);
    for (std::size_t r = p * count; r < (p + 1) * count; ++r) {
      const auto row = joined.row<float>(r);
      if (r > p * count) std::ranges::copy(first, row.begin());
      std::ranges::copy(x.row<float>(r), row.subspan(columns).begin());
    }
  }
}

// Which row it was, the first of equals.
std::vector<std::uint32_t> maximum_rows(const Tensor& x, std::size_t begin, std::size_t count) {
  std::vector<std::uint32_t> best(x.columns(), static_cast<std::uint32_t>(begin));
  for (std::size_t i = 0; i < best.size(); ++i) {
    for (std::size_t r = begin + 1; r < begin + count; ++r) {
      if (x.row<float>(r)[i] > x.row<float>(best[i])[i]) best[i] = static_cast<std::uint32_t>(r);
    }
  }
  return best;
}

}  // namespace

struct PointEmbedding::Packed {
  std::vector<float> scale1, shift1, scale2, shift2;
  Linear conv1, conv2, global3, local3, conv4, fc1, fc2;

  Packed(const PointEmbedding& e, const TrainableBatchNorm::Affine& norm1, const TrainableBatchNorm::Affine& norm2)
      : conv1(scaled_columns(e.conv1_, 0, e.conv1_.inputs(), norm1.scale), norm1.shift, e.conv1_.inputs(),
              e.conv1_.outputs(), Finish::bias, kernels()),
        conv2(packed(e.conv2_)),
        global3(scaled_columns(e.conv3_, 0, e.conv2_.outputs(), norm2.scale), norm2.shift, e.conv2_.outputs(),
                e.conv3_.outputs(), Finish::bias, kernels()),
        local3(scaled_columns(e.conv3_, e.conv2_.outputs(), e.conv2_.outputs(), norm2.scale), {}, e.conv2_.outputs(),
               e.conv3_.outputs(), Finish::bias, kernels()),
        conv4(packed(e.conv4_)),
        fc1(e.fc1_.weight.value.as<float>(), e.fc1_.bias.value.as<float>(), e.fc1_.inputs(), e.fc1_.outputs(),
            Finish::bias_gelu, kernels()),
        fc2(packed(e.fc2_)) {}
};

PointEmbedding::PointEmbedding(const Part& part)
    : neighbors_(PointCloudTokenization::from(part).neighbors),
      conv1_(linear_of(part, "conv1", PointCloudTokenization::from(part).features_per_point())),
      conv2_(linear_of(part, "conv2", conv1_.outputs())),
      conv3_(linear_of(part, "conv3", 2 * conv2_.outputs())),
      conv4_(linear_of(part, "conv4", conv3_.outputs())),
      fc1_(linear_of(part, "position.fc1", 3)),
      fc2_(linear_of(part, "position.fc2", fc1_.outputs())),
      norm1_(norm_of(part, "norm1", conv1_.outputs())),
      norm2_(norm_of(part, "norm2", conv3_.outputs())),
      frame_(part, conv4_.outputs()) {
  if (fc2_.outputs() != width()) {
    throw Error(kWhere, fmt::format("its positions are {} wide, its tokens {}", fc2_.outputs(), width()),
                "check the model with mt-inspect");
  }
  PointEmbedding::parameters_changed();
}

void PointEmbedding::parameters_changed() {
  packed_ = std::make_shared<const Packed>(*this, norm1_.affine(), norm2_.affine());
}

void PointEmbedding::require(const PatchRows& in, std::size_t sequence) const {
  if (in.patches.columns() != neighbors_ * conv1_.inputs()) {
    throw Error("",
                fmt::format("patches of {} numbers, the tokenizer takes {}", in.patches.columns(),
                            neighbors_ * conv1_.inputs()),
                "cut them as its training data were");
  }
  if (in.centers.rows() != in.patches.rows()) throw Error("", "patches without the coordinates of their centres");
  frame_.require(in, sequence);
}

void PointEmbedding::add_positions(const Tensor& centers, Tensor& tokens) const {
  Tensor inner(DType::f32, {centers.rows(), fc1_.outputs()}), places(DType::f32, tokens.shape());
  run(packed_->fc1, centers, inner, centers.rows());
  run(packed_->fc2, inner, places, centers.rows());
  const auto from = std::as_const(places).as<float>();
  const auto to = tokens.as<float>();
  for (std::size_t i = 0; i < from.size(); ++i) to[i] += from[i];
}

// [patches, D], before the frame.
Tensor PointEmbedding::positioned_tokens(const PatchRows& in) const {
  const std::size_t patches = in.patches.rows(), features = conv1_.inputs(), rows = kPatchesAtOnce * neighbors_;
  if (in.patches.columns() != neighbors_ * features) throw std::logic_error("PointEmbedding: patches of another size");
  Tensor a(DType::f32, {rows, conv1_.outputs()}), b(DType::f32, {rows, conv2_.outputs()}),
      h(DType::f32, {rows, conv3_.outputs()}), y(DType::f32, {rows, width()}),
      global(DType::f32, {kPatchesAtOnce, conv2_.outputs()}), g(DType::f32, {kPatchesAtOnce, conv3_.outputs()}),
      tokens(DType::f32, {patches, width()});
  for (std::size_t first = 0; first < patches; first += kPatchesAtOnce) {
    const std::size_t now = std::min(kPatchesAtOnce, patches - first), points = now * neighbors_;
    packed_->conv1.forward(
        Rows<const float>(in.patches.as<float>().data() + first * in.patches.columns(), points, features),
        rows_of(a, points));
    relu(a.as<float>().first(points * a.columns()));
    run(packed_->conv2, a, b, points);
    for (std::size_t p = 0; p < now; ++p) maximum(b, p * neighbors_, neighbors_, global.row<float>(p));
    run(packed_->global3, global, g, now);
    run(packed_->local3, b, h, points);
    for (std::size_t r = 0; r < points; ++r) {
      const auto row = h.row<float>(r);
      const auto shared = std::as_const(g).row<float>(r / neighbors_);
      for (std::size_t i = 0; i < row.size(); ++i) row[i] = std::max(row[i] + shared[i], 0.0F);
    }
    run(packed_->conv4, h, y, points);
    for (std::size_t p = 0; p < now; ++p) maximum(y, p * neighbors_, neighbors_, tokens.row<float>(first + p));
  }
  add_positions(in.centers, tokens);
  return tokens;
}

Tensor PointEmbedding::forward(const PatchRows& in) const { return frame_.forward(positioned_tokens(in), in); }

void PointEmbedding::backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) {
  const std::size_t patches = in.patches.rows(), features = conv1_.inputs();
  Tensor slope(DType::f32, {patches, width()});
  frame_.backward(positioned_tokens(in), in, dy, slope);
  backward_positions(in.centers, slope, pool);
  for (std::size_t first = 0; first < patches; first += kPatchesBackward) {
    const std::size_t last = std::min(patches, first + kPatchesBackward);
    backward_patches(in.patches.rows_copy(first, last).reshaped({(last - first) * neighbors_, features}),
                     slope.rows_copy(first, last), pool);
  }
}

void PointEmbedding::backward_positions(const Tensor& centers, const Tensor& dy, ThreadPool& pool) {
  Tensor before(DType::f32, {centers.rows(), fc1_.outputs()});
  fc1_.forward(centers, before, pool);
  Tensor inner = before, slope(DType::f32, before.shape());
  activation_forward(Nonlinearity::gelu, before.as<float>(), inner.as<float>());
  fc2_.backward(inner, dy, &slope, pool);
  activation_backward(Nonlinearity::gelu, before.as<float>(), slope.as<float>(), slope.as<float>());
  fc1_.backward(centers, slope, nullptr, pool);
}

// points: [patches * K, F]; dy: [patches, D].
void PointEmbedding::backward_patches(const Tensor& points, const Tensor& dy, ThreadPool& pool) {
  const std::size_t rows = points.rows(), patches = dy.rows(), inner = conv2_.outputs();
  const auto layer = [&](const TrainableLinear& linear, const Tensor& x) {
    Tensor y(DType::f32, {rows, linear.outputs()});
    linear.forward(x, y, pool);
    return y;
  };
  const Tensor raw1 = layer(conv1_, points);
  Tensor a(DType::f32, raw1.shape());
  norm1_.forward(raw1, a);
  relu(a.as<float>());
  const Tensor b = layer(conv2_, a);
  Tensor joined(DType::f32, {rows, 2 * inner});
  join_with_maximum(b, patches, neighbors_, joined);
  const Tensor raw3 = layer(conv3_, joined);
  Tensor h(DType::f32, raw3.shape());
  norm2_.forward(raw3, h);
  relu(h.as<float>());
  const Tensor y = layer(conv4_, h);

  Tensor dy4(DType::f32, y.shape());  // only the largest of each patch has a slope
  for (std::size_t p = 0; p < patches; ++p) {
    const auto best = maximum_rows(y, p * neighbors_, neighbors_);
    for (std::size_t i = 0; i < best.size(); ++i) dy4.row<float>(best[i])[i] = dy.row<float>(p)[i];
  }
  Tensor dh(DType::f32, h.shape());
  conv4_.backward(h, dy4, &dh, pool);
  activation_backward(Nonlinearity::relu, std::as_const(h).as<float>(), std::as_const(dh).as<float>(), dh.as<float>());
  norm2_.backward(raw3, dh, dh);
  Tensor djoined(DType::f32, joined.shape());
  conv3_.backward(joined, dh, &djoined, pool);
  Tensor db(DType::f32, b.shape());
  for (std::size_t p = 0; p < patches; ++p) {
    const auto best = maximum_rows(b, p * neighbors_, neighbors_);
    for (std::size_t r = p * neighbors_; r < (p + 1) * neighbors_; ++r) {
      const auto slope = std::as_const(djoined).row<float>(r);
      for (std::size_t i = 0; i < inner; ++i) {
        db.row<float>(best[i])[i] += slope[i];
        db.row<float>(r)[i] += slope[inner + i];
      }
    }
  }
  Tensor da(DType::f32, a.shape());
  conv2_.backward(a, db, &da, pool);
  activation_backward(Nonlinearity::relu, std::as_const(a).as<float>(), std::as_const(da).as<float>(), da.as<float>());
  norm1_.backward(raw1, da, da);
  conv1_.backward(points, da, nullptr, pool);
}

void PointEmbedding::calibrate_norms(const Tensor& patches) {
  const std::size_t features = conv1_.inputs(), inner = conv2_.outputs(), rows = kPatchesBackward * neighbors_;
  if (patches.rows() == 0) throw Error(kWhere, "there are no patches to take statistics of");
  const auto count = static_cast<double>(patches.rows() * neighbors_);
  // Of one layer's results, chunk by chunk: sums, then squares around the mean.
  const auto statistics = [&](TrainableBatchNorm& norm, const std::function<Tensor(const Tensor&)>& layer) {
    std::vector<double> sum(norm.width()), squares(norm.width());
    for (const bool second : {false, true}) {
      for (std::size_t first = 0; first < patches.rows(); first += kPatchesBackward) {
        const std::size_t last = std::min(patches.rows(), first + kPatchesBackward);
        const Tensor y = layer(patches.rows_copy(first, last).reshaped({(last - first) * neighbors_, features}));
        for (std::size_t r = 0; r < y.rows(); ++r) {
          const auto row = y.row<float>(r);
          for (std::size_t i = 0; i < row.size(); ++i) {
            const double off = row[i] - sum[i] / count;
            if (second) {
              squares[i] += off * off;
            } else {
              sum[i] += row[i];
            }
          }
        }
      }
    }
    for (std::size_t i = 0; i < norm.width(); ++i) {
      norm.mean.as<float>()[i] = static_cast<float>(sum[i] / count);
      norm.variance.as<float>()[i] = static_cast<float>(squares[i] / count);
    }
  };
  Tensor b(DType::f32, {rows, inner}), joined(DType::f32, {rows, 2 * inner});
  const auto first_layer = [&](const Tensor& x) {
    Tensor y(DType::f32, {x.rows(), conv1_.outputs()});
    conv1_.forward_rows(x.as<float>().data(), y.as<float>().data(), x.rows());
    return y;
  };
  const auto third_layer = [&](const Tensor& x) {
    Tensor a = first_layer(x);
    norm1_.forward(a, a);
    relu(a.as<float>());
    conv2_.forward_rows(a.as<float>().data(), b.as<float>().data(), a.rows());
    join_with_maximum(b, a.rows() / neighbors_, neighbors_, joined);
    Tensor y(DType::f32, {x.rows(), conv3_.outputs()});
    conv3_.forward_rows(joined.as<float>().data(), y.as<float>().data(), x.rows());
    return y;
  };
  statistics(norm1_, first_layer);
  statistics(norm2_, third_layer);
  parameters_changed();
}

template <class Self>
auto PointEmbedding::parameters_of(Self& self) {
  std::vector all = {&self.conv1_.weight};
  all.insert(all.end(), {&self.norm1_.gain, &self.norm1_.bias, &self.conv2_.weight, &self.conv2_.bias,
                         &self.conv3_.weight, &self.norm2_.gain, &self.norm2_.bias, &self.conv4_.weight,
                         &self.conv4_.bias, &self.fc1_.weight, &self.fc1_.bias, &self.fc2_.weight, &self.fc2_.bias});
  const auto around = self.frame_.parameters();
  all.insert(all.end(), around.begin(), around.end());
  return all;
}

std::vector<Parameter*> PointEmbedding::parameters() { return parameters_of(*this); }

void PointEmbedding::store(Part& part) const {
  const auto put = [&part](const std::string& name, const Tensor& tensor) {
    part.tensors[name] = tensor;
    part.digests.erase(name);
  };
  for (const Parameter* parameter : parameters_of(*this)) put(parameter->name, parameter->value);
  put("norm1.running_mean", norm1_.mean);
  put("norm1.running_var", norm1_.variance);
  put("norm2.running_mean", norm2_.mean);
  put("norm2.running_var", norm2_.variance);
}

void add_initial_point_embedding(Part& part, std::size_t width, std::uint64_t seed) {
  const std::size_t features = PointCloudTokenization::from(part).features_per_point();
  const auto linear = [&](const std::string& name, std::size_t inputs, std::size_t outputs, bool bias) {
    Random random(seed, stream_of(kWhere + ": " + name));
    TrainableLinear initial(name, inputs, outputs, random);
    part.tensors[name + ".weight"] = std::move(initial.weight.value);
    if (bias) part.tensors[name + ".bias"] = std::move(initial.bias.value);
  };
  const auto norm = [&](const std::string& name, std::size_t columns) {
    for (const char* leaf : {".weight", ".bias", ".running_mean", ".running_var"}) {
      part.tensors[name + leaf] = Tensor(DType::f32, {columns});
    }
    for (const char* leaf : {".weight", ".running_var"}) {
      std::ranges::fill(part.tensors[name + leaf].as<float>(), 1.0F);
    }
  };
  linear("conv1", features, kInner1, false);
  norm("norm1", kInner1);
  linear("conv2", kInner1, kInner2, true);
  linear("conv3", 2 * kInner2, kInner3, false);
  norm("norm2", kInner3);
  linear("conv4", kInner3, width, true);
  linear("position.fc1", 3, kPositionInner, true);
  linear("position.fc2", kPositionInner, width, true);
  part.config["embedding"] = "mini-pointnet";
  part.config["width"] = width;
  add_initial_frame(part, width, 1, 0, seed);
}

}  // namespace mt
