#include "encoder/trainable_block.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/interrupt.h"
#include "encoder/chunk.h"

namespace mt {

namespace {

// y = x + scale * branch for rows [begin, end) of the sequences, scales by sequence; y may be x.
void add_branch(const SequenceRows& sequences, const std::vector<float>& scales, std::size_t begin, Rows<const float> x,
                Rows<const float> branch, Rows<float> y) {
  const auto add = training_kernels().add_scaled;
  if (scales.empty()) return add(x.data, branch.data, 1, x.count * x.width, y.data);
  for (std::size_t i = 0; i < x.count; ++i) {
    const auto next = std::ranges::upper_bound(sequences.offsets, begin + i);
    const auto sequence = static_cast<std::size_t>(next - sequences.offsets.begin()) - 1;
    add(x.row(i), branch.row(i), scales[sequence], x.width, y.row(i));
  }
}

// The gradient of a branch: that of the sum, scaled by sequence into `scaled` where there are scales.
Rows<const float> branch_gradient(const SequenceRows& sequences, const std::vector<float>& scales, std::size_t begin,
                                  Rows<const float> gradient, Rows<float> scaled) {
  if (scales.empty()) return gradient;
  std::fill_n(scaled.data, scaled.count * scaled.width, 0.0F);
  add_branch(sequences, scales, begin, scaled, gradient, scaled);
  return scaled;
}

PackedLinear linear_of(const Part& part, const std::string& name, const BlockTraining& training, std::size_t rank) {
  LinearTraining of_linear;
  of_linear.weight = training.weights;
  of_linear.bias = training.biases;
  of_linear.rank = rank;
  of_linear.backwards = training.backwards;
  of_linear.precision = training.precision;
  return {name, float_tensor(part, name + ".weight"), float_tensor(part, name + ".bias"), of_linear,
          Random(training.seed, stream_of(name))};
}

}  // namespace

Tensor float_tensor(const Part& part, const std::string& name) {
  const Tensor& tensor = part.at(name);
  return tensor.dtype() == DType::f32 ? tensor : tensor.to(DType::f32);
}

void store_tensor(Part& part, const std::string& name, const Tensor& value) {
  if (value.empty()) return;
  part.tensors[name] = value;
  part.digests.erase(name);
}

TrainableLayerNorm trainable_norm_of(const Part& part, const std::string& name, double eps, bool gain_learns,
                                     bool bias_learns) {
  TrainableLayerNorm norm(name, float_tensor(part, name + ".weight"), float_tensor(part, name + ".bias"),
                          static_cast<float>(eps));
  if (gain_learns) norm.gain.clear_gradient();
  if (bias_learns) norm.bias.clear_gradient();
  return norm;
}

TrainableBlock::TrainableBlock(const Part& part, const Architecture& a, std::size_t index, const BlockTraining& t)
    : width_(a.width),
      mlp_width_(a.mlp),
      heads_(a.heads),
      scale_(static_cast<float>(a.scale)),
      quick_(a.activation == Architecture::Activation::quick_gelu),
      norm1_(trainable_norm_of(part, fmt::format("blocks.{}.norm1", index), a.eps, t.norms, t.norms || t.biases)),
      norm2_(trainable_norm_of(part, fmt::format("blocks.{}.norm2", index), a.eps, t.norms, t.norms || t.biases)),
      attention_(a.heads, a.width / a.heads, scale_),
      qkv_(linear_of(part, fmt::format("blocks.{}.attn.qkv", index), t, t.lora_rank)),
      output_(linear_of(part, fmt::format("blocks.{}.attn.proj", index), t, t.lora_rank)),
      hidden_(linear_of(part, fmt::format("blocks.{}.mlp.fc1", index), t, 0)),
      mlp_output_(linear_of(part, fmt::format("blocks.{}.mlp.fc2", index), t, 0)) {}

void TrainableBlock::pack(std::size_t linear) {
  PackedLinear* const linears[kLinears] = {&qkv_, &output_, &hidden_, &mlp_output_};
  linears[linear]->pack();
}

bool TrainableBlock::learns() const {
  return norm1_.bias.learns() || qkv_.learns() || output_.learns() || hidden_.learns();
}

std::vector<Parameter*> TrainableBlock::parameters() {
  std::vector<Parameter*> result;
  const auto take = [&](std::vector<Parameter*> more) { result.insert(result.end(), more.begin(), more.end()); };
  const auto take_norm = [&](TrainableLayerNorm& norm) {
    if (norm.gain.learns()) result.push_back(&norm.gain);
    if (norm.bias.learns()) result.push_back(&norm.bias);
  };
  take_norm(norm1_);
  take(qkv_.parameters());
  take(output_.parameters());
  take_norm(norm2_);
  take(hidden_.parameters());
  take(mlp_output_.parameters());
  return result;
}

void TrainableBlock::store(Part& part) const {
  for (const PackedLinear* linear : {&qkv_, &output_, &hidden_, &mlp_output_}) {
    store_tensor(part, linear->name() + ".weight", linear->learned_weight());
    store_tensor(part, linear->name() + ".bias", linear->learned_bias());
  }
  for (const TrainableLayerNorm* norm : {&norm1_, &norm2_}) {
    if (norm->gain.learns()) store_tensor(part, norm->gain.name, norm->gain.value);
    if (norm->bias.learns()) store_tensor(part, norm->bias.name, norm->bias.value);
  }
}

void TrainableBlock::for_each_piece(std::size_t rows, ThreadPool& pool, const PieceTask& task) {
  const auto pieces = pieces_of(rows, pool.size());
  pool.parallel_for(pieces.size(), [&](std::size_t piece, std::size_t worker) {
    throw_if_interrupted();
    task(pieces[piece].begin, pieces[piece].end, worker);
  });
}

void TrainableBlock::forward(const SequenceRows& sequences, Rows<const float> x, Rows<float> y,
                             const BlockActivations& saved, BlockBuffers& buffers, ThreadPool& pool) const {
  run(sequences, x, y, saved, buffers, pool, true);
}

void TrainableBlock::recompute(const SequenceRows& sequences, Rows<const float> x, const BlockActivations& saved,
                               BlockBuffers& buffers, ThreadPool& pool) const {
  run(sequences, x, {}, saved, buffers, pool, false);
}

// whole: to the end, y; else the activations alone.
void TrainableBlock::run(const SequenceRows& sequences, Rows<const float> x, Rows<float> y,
                         const BlockActivations& saved, BlockBuffers& buffers, ThreadPool& pool, bool whole) const {
  const std::size_t rows = sequences.rows();
  const Rows<float> normed(buffers.normed.reserve(rows * width_), rows, width_);
  const Rows<float> active(buffers.active.reserve(rows * mlp_width_), rows, mlp_width_);
  const Rows<float> branch(buffers.branch.reserve(rows * width_), rows, width_);
  const Rows<float> qkv(saved.qkv, rows, 3 * width_), attended(saved.attended, rows, width_),
      middle(saved.middle, rows, width_), hidden(saved.hidden, rows, mlp_width_);
  buffers.kv.reshape(sequences.offsets, heads_, width_ / heads_, false, kernels());
  buffers.scratch.resize(pool.size());
  const auto third = [&](std::size_t begin, std::size_t end, std::size_t which) {
    return AnyRows(Rows<float>(saved.qkv + begin * 3 * width_ + which * width_, end - begin, width_, 3 * width_));
  };
  for_each_piece(rows, pool, [&](std::size_t begin, std::size_t end, std::size_t) {
    norm1_.forward_rows(x.rows(begin, end), normed.rows(begin, end));
    qkv_.forward(normed.rows(begin, end), qkv.rows(begin, end));
    buffers.kv.store(begin, third(begin, end, 1), third(begin, end, 2));
  });
  for_each_piece(rows, pool, [&](std::size_t begin, std::size_t end, std::size_t worker) {
    const auto part = [&](auto all) { return all.rows(begin, end); };
    attention_.forward(begin, third(begin, end, 0), buffers.kv, part(attended), buffers.scratch[worker]);
    output_.forward(part(attended), part(branch));
    add_branch(sequences, sequences.attention_scale, begin, part(x), part(branch), part(middle));
    norm2_.forward_rows(part(middle), part(normed));
    hidden_.forward(part(normed), part(hidden));
    if (!whole) return;
    const auto activate = quick_ ? training_kernels().quick_gelu : training_kernels().gelu;
    activate(hidden.row(begin), (end - begin) * mlp_width_, active.row(begin));
    mlp_output_.forward(part(active), part(branch));
    add_branch(sequences, sequences.mlp_scale, begin, part(middle), part(branch), part(y));
  });
}

void TrainableBlock::backward(const SequenceRows& sequences, Rows<const float> x, const BlockActivations& saved,
                              Rows<float> gradient, BlockBuffers& buffers, ThreadPool& pool) {
  backward_mlp(sequences, saved, gradient, buffers, pool);
  backward_attention(sequences, saved, buffers, pool);
  backward_qkv(sequences, x, gradient, buffers, pool);
}

namespace {

// Gradients of layers from all rows at once, shared out by tiles.
class GradientTasks {
 public:
  void add(PackedLinear& linear, Rows<const float> x, Rows<const float> dy) {
    for (std::size_t tile = 0; tile < linear.gradient_tiles(); ++tile) {
      tasks_.emplace_back([&linear, tile, x, dy] { linear.add_gradients(tile, x, dy); });
    }
  }
  void add(TrainableLayerNorm& norm, Rows<const float> x, Rows<const float> dy, const RowStatistics* statistics) {
    if (!norm.bias.learns()) return;
    tasks_.emplace_back([&norm, x, dy, statistics] { norm.add_gradients(x, dy, statistics); });
  }
  void run(ThreadPool& pool) {
    pool.parallel_for(tasks_.size(), [&](std::size_t i, std::size_t) { tasks_[i](); });
  }

 private:
  std::vector<std::function<void()>> tasks_;
};

}  // namespace

// From the gradient of y to that of the middle, and to the attended rows.
void TrainableBlock::backward_mlp(const SequenceRows& sequences, const BlockActivations& saved, Rows<float> gradient,
                                  BlockBuffers& buffers, ThreadPool& pool) {
  const std::size_t rows = sequences.rows();
  const Rows<float> normed(buffers.normed.reserve(rows * width_), rows, width_);
  const Rows<float> active(buffers.active.reserve(rows * mlp_width_), rows, mlp_width_);
  const Rows<float> mlp_scaled(buffers.branch.reserve(rows * width_), rows, width_);
  const Rows<float> scaled(buffers.scaled.reserve(rows * width_), rows, width_);
  const Rows<float> dhidden(buffers.dhidden.reserve(rows * mlp_width_), rows, mlp_width_);
  const Rows<float> dnormed(buffers.dnormed.reserve(rows * width_), rows, width_);
  const Rows<float> dattended(buffers.dattended.reserve(rows * width_), rows, width_);
  const Rows<float> dmiddle(buffers.dmiddle.reserve(rows * width_), rows, width_);
  const Rows<const float> middle(saved.middle, rows, width_), hidden(saved.hidden, rows, mlp_width_);
  RowStatistics* statistics = buffers.statistics.reserve(rows);
  const TrainingKernels& k = training_kernels();

  for_each_piece(rows, pool, [&](std::size_t begin, std::size_t end, std::size_t) {
    const auto part = [&](auto all) { return all.rows(begin, end); };
    const std::size_t elements = (end - begin) * mlp_width_;
    const Rows<const float> dbranch =
        branch_gradient(sequences, sequences.mlp_scale, begin, part(gradient), part(mlp_scaled));
    mlp_output_.backward(dbranch, part(dhidden));
    (quick_ ? k.quick_gelu_gradient : k.gelu_gradient)(hidden.row(begin), dhidden.row(begin), elements,
                                                       dhidden.row(begin));
    hidden_.backward(part(dhidden), part(dnormed));
    norm2_.backward_rows(part(middle), part(dnormed), gradient.row(begin), part(dmiddle), statistics + begin);
    output_.backward(branch_gradient(sequences, sequences.attention_scale, begin, part(dmiddle), part(scaled)),
                     part(dattended));
    if (hidden_.weights_learn()) norm2_.forward_rows(part(middle), part(normed));
    if (mlp_output_.weights_learn()) (quick_ ? k.quick_gelu : k.gelu)(hidden.row(begin), elements, active.row(begin));
  });
  GradientTasks tasks;
  tasks.add(mlp_output_, active, sequences.mlp_scale.empty() ? gradient : mlp_scaled);
  tasks.add(hidden_, normed, dhidden);
  tasks.add(norm2_, middle, dnormed, statistics);
  tasks.add(output_, Rows<const float>(saved.attended, rows, width_),
            sequences.attention_scale.empty() ? dmiddle : scaled);
  tasks.run(pool);
}

void TrainableBlock::backward_attention(const SequenceRows& sequences, const BlockActivations& saved,
                                        BlockBuffers& buffers, ThreadPool& pool) const {
  const std::size_t head_size = width_ / heads_;
  float* dqkv = buffers.dqkv.reserve(sequences.rows() * 3 * width_);
  pool.parallel_for((sequences.offsets.size() - 1) * heads_, [&](std::size_t item, std::size_t worker) {
    const std::size_t sequence = item / heads_, begin = sequences.offsets[sequence],
                      tokens = sequences.offsets[sequence + 1] - begin, column = item % heads_ * head_size;
    const auto third = [&](auto* first, std::size_t which) {
      return Rows(first + begin * 3 * width_ + which * width_ + column, tokens, head_size, 3 * width_);
    };
    const auto* qkv = static_cast<const float*>(saved.qkv);
    const Rows<const float> dy(buffers.dattended.data() + begin * width_ + column, tokens, head_size, width_);
    attention_.backward({third(qkv, 0), third(qkv, 1), third(qkv, 2)}, dy,
                        {third(dqkv, 0), third(dqkv, 1), third(dqkv, 2)}, buffers.scratch[worker]);
  });
}

void TrainableBlock::backward_qkv(const SequenceRows& sequences, Rows<const float> x, Rows<float> gradient,
                                  BlockBuffers& buffers, ThreadPool& pool) {
  const std::size_t rows = sequences.rows();
  const Rows<float> normed(buffers.normed.data(), rows, width_), dnormed(buffers.dnormed.data(), rows, width_);
  const Rows<const float> dqkv(buffers.dqkv.data(), rows, 3 * width_), dmiddle(buffers.dmiddle.data(), rows, width_);
  for_each_piece(rows, pool, [&](std::size_t begin, std::size_t end, std::size_t) {
    qkv_.backward(dqkv.rows(begin, end), dnormed.rows(begin, end));
    norm1_.backward_rows(x.rows(begin, end), dnormed.rows(begin, end), dmiddle.row(begin), gradient.rows(begin, end),
                         buffers.statistics.data() + begin);
    if (qkv_.weights_learn()) norm1_.forward_rows(x.rows(begin, end), normed.rows(begin, end));
  });
  GradientTasks tasks;
  tasks.add(qkv_, normed, dqkv);
  tasks.add(norm1_, x, dnormed, buffers.statistics.data());
  tasks.run(pool);
}

}  // namespace mt
