// Keeps the residual stream before each block, and of as many blocks as fit into memory what their backward reads.
// Samples go through the blocks in groups of a few thousand tokens, so that what passes between layers stays in cache.
// Groups follow from the batch alone, and every sum over a group has one order: the bytes do not depend on the threads.
#include "encoder/trainable_encoder.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "encoder/encode_plan.h"
#include "encoder/pooling.h"
#include "encoder/trainable_block.h"
#include "kernels/gemm.h"

namespace mt {

namespace {

// Tokens of a group: enough rows for many workers, few enough that a block's activations stay in the last-level cache.
constexpr std::size_t kGroupTokens = 2048;

// Consecutive samples; offsets are counted from the first one's first token.
struct SampleGroup {
  std::size_t first_sample = 0, first_row = 0;
  std::vector<std::size_t> offsets = {0};

  std::size_t rows() const { return offsets.back(); }
};

// Groups of about equal size, of at most kGroupTokens or one sample each.
std::vector<SampleGroup> groups_of(std::span<const std::int64_t> offsets) {
  const auto total = static_cast<std::size_t>(offsets.back());
  const std::size_t count = std::max<std::size_t>(1, (total + kGroupTokens - 1) / kGroupTokens);
  const std::size_t most = std::min(kGroupTokens, (total + count - 1) / count + total / (offsets.size() * 2));
  std::vector<SampleGroup> groups;
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const auto begin = static_cast<std::size_t>(offsets[i]), length = static_cast<std::size_t>(offsets[i + 1]) - begin;
    if (groups.empty() || groups.back().rows() + length > most) groups.push_back({i, begin, {0}});
    groups.back().offsets.push_back(groups.back().rows() + length);
  }
  return groups;
}

bool in_range(const EncoderTraining& training, std::size_t block) {
  return !training.blocks || (block >= training.blocks->first && block <= training.blocks->last);
}

}  // namespace

struct TrainableEncoder::State {
  State(const Part& part, const EncoderTraining& wanted, ThreadPool& workers);

  // One forward, to be followed by its backward.
  struct Step {
    EncodeOptions options;
    std::vector<std::int64_t> offsets;
    std::vector<std::size_t> output_row;  // of each sample
    std::vector<SampleGroup> groups;
    std::vector<SequenceRows> sequences;  // [groups * layers], group by group
    std::vector<BlockActivations> saved;  // likewise; null where they are computed again
    Aligned<float> inputs;                // [layers - first + 1, tokens, width]: of each block, and the last output
    Tensor pooled;                        // where the projection learns
    std::size_t layers = 0, first = 0;    // blocks, and the first that backward reaches
    bool ready = false;
  };

  bool norms(const EncodeOptions& options) const { return mt::norms(architecture, options); }
  bool projects(const EncodeOptions& options) const { return mt::projects(architecture, options); }
  Step prepare(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options) const;
  SequenceRows sequences_of(const SampleGroup& group, std::size_t block, std::uint64_t step) const;
  std::size_t saved_floats(std::size_t block) const;
  BlockActivations activations_at(float* memory, std::size_t rows, bool with_attended);
  void plan_memory(Step& step);
  Tensor pool_and_project(Step& step, const float* x);
  Tensor pooled_gradients(const Tensor& dfeatures);
  void run_backward(const SampleGroup& group, std::size_t index, Rows<float> gradient);
  Rows<float> input(Step& of, std::size_t block) const {
    const auto tokens = static_cast<std::size_t>(of.offsets.back());
    return {of.inputs.data() + (block - of.first) * tokens * architecture.width, tokens, architecture.width};
  }

  Architecture architecture;
  EncoderTraining training;
  ThreadPool& pool;
  std::vector<TrainableBlock> blocks;
  TrainableLayerNorm final_norm;
  Parameter projection;   // [width, projection]
  std::size_t first = 0;  // the first block that backward reaches
  BlockBuffers buffers;
  Aligned<float> arena, group_memory, group_attended, evaluated;
  Step step;
};

TrainableEncoder::State::State(const Part& part, const EncoderTraining& wanted, ThreadPool& workers)
    : architecture(architecture_of(part)), training(wanted), pool(workers) {
  using Scope = EncoderTraining::Scope;
  const std::size_t count = architecture.blocks;
  if (training.blocks && (training.blocks->first > training.blocks->last || training.blocks->last >= count)) {
    throw Error("blocks", fmt::format("{} to {} are to learn, the encoder has 0 to {}", training.blocks->first,
                                      training.blocks->last, count - 1));
  }
  if (training.scope == Scope::all && training.lora_rank > 0) {
    throw Error("LoRA", "learns beside frozen weights, and all weights are to learn", "choose one of them");
  }
  if (!(training.stochastic_depth >= 0 && training.stochastic_depth < 1)) {
    throw Error("stochastic depth", fmt::format("{} is not a chance in [0, 1)", training.stochastic_depth));
  }
  const bool learns = training.scope != Scope::nothing || training.lora_rank > 0;
  if (!training.token_gradients) first = learns ? training.blocks.value_or(BlockRange{}).first : count;
  BlockTraining of_block;
  of_block.seed = training.seed;
  of_block.precision = training.precision;
  for (std::size_t i = 0; i < count; ++i) {
    const bool here = in_range(training, i);
    of_block.weights = here && training.scope == Scope::all;
    of_block.norms = here && (training.scope == Scope::all || training.scope == Scope::norms);
    of_block.biases = here && (training.scope == Scope::all || training.scope == Scope::biases);
    of_block.lora_rank = here ? training.lora_rank : 0;
    of_block.backwards = i >= first;
    blocks.emplace_back(part, architecture, i, of_block);
  }
  const bool last = in_range(training, count - 1);
  if (architecture.norm != Architecture::Norm::none) {
    const bool gains = last && (training.scope == Scope::all || training.scope == Scope::norms);
    final_norm = trainable_norm_of(part, "norm", architecture.eps, gains, last && training.scope != Scope::nothing);
  }
  if (architecture.projection > 0) {
    projection = Parameter("projection", float_tensor(part, "projection"), true);
    if (last && training.scope == Scope::all) projection.clear_gradient();
  }
  pool.parallel_for(count * TrainableBlock::kLinears, [this](std::size_t item, std::size_t) {
    blocks[item / TrainableBlock::kLinears].pack(item % TrainableBlock::kLinears);
  });
}

TrainableEncoder::State::Step TrainableEncoder::State::prepare(const Tensor& tokens,
                                                               std::span<const std::int64_t> offsets,
                                                               const EncodeOptions& options) const {
  require_packed(architecture, tokens, offsets);
  if (options.merge > 0) throw Error("--merge", "has no gradient", "train without it");
  Step made;
  made.options = options;
  made.offsets.assign(offsets.begin(), offsets.end());
  made.layers = layers_of(architecture, options);
  made.first = std::min(first, made.layers);
  made.output_row.push_back(0);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const auto length = static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
    if (const std::string reason = unpoolable(length, options); !reason.empty())
      throw Error(fmt::format("sample {}", i), reason);
    made.output_row.push_back(made.output_row.back() + pooled_rows(length, options));
  }
  made.groups = groups_of(offsets);
  return made;
}

// Both branches of each sample are kept with the block's probability, and scaled up then.
SequenceRows TrainableEncoder::State::sequences_of(const SampleGroup& group, std::size_t block,
                                                   std::uint64_t number) const {
  SequenceRows result{group.offsets, {}, {}};
  const double last = architecture.blocks > 1 ? static_cast<double>(architecture.blocks - 1) : 1;
  const double chance = training.stochastic_depth * static_cast<double>(block) / last;
  if (chance <= 0) return result;
  for (std::size_t i = 0; i + 1 < group.offsets.size(); ++i) {
    Random random(training.seed,
                  stream_of("stochastic depth", number * architecture.blocks + block, group.first_sample + i));
    const auto scale = [&] { return random.uniform() < chance ? 0.0F : static_cast<float>(1 / (1 - chance)); };
    result.attention_scale.push_back(scale());
    result.mlp_scale.push_back(scale());
  }
  return result;
}

// Of one row.
std::size_t TrainableEncoder::State::saved_floats(std::size_t block) const {
  return (blocks[block].needs_attended() ? 5 : 4) * architecture.width + architecture.mlp;
}

// with_attended: in the same memory; else where the next block overwrites it.
BlockActivations TrainableEncoder::State::activations_at(float* memory, std::size_t rows, bool with_attended) {
  const std::size_t width = architecture.width;
  BlockActivations at;
  at.qkv = memory;
  at.middle = at.qkv + rows * 3 * width;
  at.hidden = at.middle + rows * width;
  at.attended = with_attended ? at.hidden + rows * architecture.mlp : group_attended.reserve(rows * width);
  return at;
}

// Which activations are kept where.
void TrainableEncoder::State::plan_memory(Step& made) {
  using Recompute = EncoderTraining::Recompute;
  std::uint64_t most = training.memory / sizeof(float);
  if (training.recompute == Recompute::always) most = 0;
  if (training.recompute == Recompute::never) most = ~std::uint64_t{0};
  std::uint64_t used = 0;
  std::vector<std::pair<std::size_t, std::uint64_t>> kept;  // of made.saved, and where
  made.saved.assign(made.groups.size() * made.layers, {});
  // The last blocks first: backward begins with them, and they are the ones that learn where some do not.
  for (std::size_t block = made.layers; block-- > made.first;) {
    for (std::size_t g = 0; g < made.groups.size(); ++g) {
      const std::uint64_t floats = saved_floats(block) * made.groups[g].rows();
      if (used + floats > most) continue;
      kept.emplace_back(g * made.layers + block, used);
      used += floats;
    }
  }
  arena.reserve(used);
  for (const auto& [index, at] : kept) {
    const std::size_t block = index % made.layers;
    made.saved[index] =
        activations_at(arena.data() + at, made.groups[index / made.layers].rows(), blocks[block].needs_attended());
  }
}

// x: [tokens, width], the last block's output.
Tensor TrainableEncoder::State::pool_and_project(Step& made, const float* x) {
  const std::size_t width = architecture.width, samples = made.offsets.size() - 1;
  Tensor pooled(DType::f32, {made.output_row.back(), width});
  float* out = pooled.as<float>().data();
  LayerNorm norm;
  if (norms(made.options)) {
    const auto gain = std::as_const(final_norm.gain.value).as<float>();
    const auto bias = std::as_const(final_norm.bias.value).as<float>();
    norm = {{gain.begin(), gain.end()}, {bias.begin(), bias.end()}, final_norm.eps};
  }
  std::vector<Aligned<float>> rows(pool.size());
  pool.parallel_for(samples, [&](std::size_t i, std::size_t worker) {
    const auto begin = static_cast<std::size_t>(made.offsets[i]), end = static_cast<std::size_t>(made.offsets[i + 1]);
    float* copy = rows[worker].reserve((end - begin) * width);  // pool norms in place
    std::copy_n(x + begin * width, (end - begin) * width, copy);
    mt::pool({copy, end - begin, width}, nullptr, made.options.pooling, made.options.prefix,
             norms(made.options) ? &norm : nullptr, architecture.norm, kernels(), out + made.output_row[i] * width);
  });
  for (std::size_t i = 0; i < samples; ++i) {
    for (std::size_t j = made.output_row[i] * width; j < made.output_row[i + 1] * width; ++j) {
      if (!std::isfinite(out[j])) throw Error(fmt::format("sample {}", i), "its features are not finite");
    }
  }
  if (!projects(made.options)) return pooled;
  Tensor features(DType::f32, {samples, architecture.projection});
  for (std::size_t i = 0; i < samples; ++i) {  // one by one: a sample's bytes depend on no other
    gemm(1, architecture.projection, width, {out + i * width, width},
         {std::as_const(projection.value).as<float>().data(), architecture.projection}, features.row<float>(i).data(),
         architecture.projection);
  }
  if (projection.learns()) made.pooled = std::move(pooled);
  return features;
}

// The gradient of the last block's output [tokens, width]; adds to those of projection and final norm.
Tensor TrainableEncoder::State::pooled_gradients(const Tensor& dfeatures) {
  const std::size_t width = architecture.width, samples = step.offsets.size() - 1;
  const std::size_t columns = projects(step.options) ? architecture.projection : width;
  if (dfeatures.shape() != Shape{step.output_row.back(), columns}) {
    throw std::logic_error(fmt::format("trainable encoder: dfeatures are {}, not [{}, {}]",
                                       to_string(dfeatures.shape()), step.output_row.back(), columns));
  }
  Tensor through;
  if (projects(step.options)) {
    const float* slope = dfeatures.as<float>().data();
    through = Tensor(DType::f32, {samples, width});
    gemm(samples, width, columns, {slope, columns},
         {std::as_const(projection.value).as<float>().data(), columns, OperandForm::transposed},
         through.as<float>().data(), width);
    if (projection.learns()) {
      gemm(width, columns, samples, {step.pooled.as<float>().data(), width, OperandForm::transposed}, {slope, columns},
           projection.gradient.as<float>().data(), columns, true);
    }
  }
  const float* dpooled =
      projects(step.options) ? std::as_const(through).as<float>().data() : dfeatures.as<float>().data();
  Tensor gradient(DType::f32, {static_cast<std::size_t>(step.offsets.back()), width});
  const Rows<float> x = input(step, step.layers), dx(gradient.as<float>().data(), gradient.rows(), width);
  for (std::size_t i = 0; i < samples; ++i) {
    const auto begin = static_cast<std::size_t>(step.offsets[i]), end = static_cast<std::size_t>(step.offsets[i + 1]);
    pool_backward(x.rows(begin, end), step.options.pooling, step.options.prefix,
                  norms(step.options) ? &final_norm : nullptr, architecture.norm, dpooled + step.output_row[i] * width,
                  dx.rows(begin, end));
  }
  return gradient;
}

// The group's way back through all blocks. gradient: of its rows.
void TrainableEncoder::State::run_backward(const SampleGroup& group, std::size_t index, Rows<float> gradient) {
  for (std::size_t block = step.layers; block-- > step.first;) {
    const SequenceRows& sequences = step.sequences[index * step.layers + block];
    const Rows<const float> x = input(step, block).rows(group.first_row, group.first_row + group.rows());
    BlockActivations saved = step.saved[index * step.layers + block];
    if (saved.qkv == nullptr) {
      const bool with_attended = blocks[block].needs_attended();
      saved = activations_at(group_memory.reserve(saved_floats(block) * group.rows()), group.rows(), with_attended);
      blocks[block].recompute(sequences, x, saved, buffers, pool);
    }
    blocks[block].backward(sequences, x, saved, gradient, buffers, pool);
  }
}

TrainableEncoder::TrainableEncoder(const Part& encoder, const EncoderTraining& training, ThreadPool& pool)
    : state_(new State(encoder, training, pool)) {}
TrainableEncoder::~TrainableEncoder() = default;
TrainableEncoder::TrainableEncoder(TrainableEncoder&&) noexcept = default;
TrainableEncoder& TrainableEncoder::operator=(TrainableEncoder&&) noexcept = default;

const Architecture& TrainableEncoder::architecture() const { return state_->architecture; }

std::size_t TrainableEncoder::feature_width(const EncodeOptions& options) const {
  return mt::feature_width(state_->architecture, options);
}

Tensor TrainableEncoder::forward(const Tensor& tokens, std::span<const std::int64_t> offsets,
                                 const EncodeOptions& options, std::uint64_t step) {
  State& s = *state_;
  Aligned<float> inputs = std::move(s.step.inputs);  // memory is used again
  s.step = s.prepare(tokens, offsets, options);
  State::Step& made = s.step;
  const std::size_t width = s.architecture.width;
  inputs.reserve((made.layers - made.first + 1) * tokens.rows() * width);
  made.inputs = std::move(inputs);
  s.plan_memory(made);
  std::ranges::copy(tokens.as<float>(), made.inputs.data());
  for (std::size_t g = 0; g < made.groups.size(); ++g) {
    const SampleGroup& group = made.groups[g];
    const auto rows_of = [&](std::size_t block) {
      return s.input(made, std::max(block, made.first)).rows(group.first_row, group.first_row + group.rows());
    };
    for (std::size_t block = 0; block < made.layers; ++block) {
      made.sequences.push_back(s.sequences_of(group, block, step));
      BlockActivations saved = made.saved[g * made.layers + block];
      if (saved.qkv == nullptr) {
        saved = s.activations_at(s.group_memory.reserve(s.saved_floats(block) * group.rows()), group.rows(), false);
      }
      s.blocks[block].forward(made.sequences.back(), rows_of(block), rows_of(block + 1), saved, s.buffers, s.pool);
    }
  }
  Tensor features = s.pool_and_project(made, s.input(made, made.layers).data);
  made.ready = true;
  return features;
}

Tensor TrainableEncoder::evaluate(const Tensor& tokens, std::span<const std::int64_t> offsets,
                                  const EncodeOptions& options) {
  State& s = *state_;
  State::Step made = s.prepare(tokens, offsets, options);
  const std::size_t width = s.architecture.width;
  const Rows<float> x(s.evaluated.reserve(tokens.rows() * width), tokens.rows(), width);
  std::ranges::copy(tokens.as<float>(), x.data);
  for (const SampleGroup& group : made.groups) {
    const SequenceRows sequences{group.offsets, {}, {}};
    const Rows<float> rows = x.rows(group.first_row, group.first_row + group.rows());
    for (std::size_t block = 0; block < made.layers; ++block) {
      float* memory = s.group_memory.reserve(s.saved_floats(block) * group.rows());
      s.blocks[block].forward(sequences, rows, rows, s.activations_at(memory, group.rows(), false), s.buffers, s.pool);
    }
  }
  return s.pool_and_project(made, x.data);
}

Tensor TrainableEncoder::backward(const Tensor& dfeatures) {
  State& s = *state_;
  if (!s.step.ready) throw std::logic_error("trainable encoder: backward without a forward before it");
  s.step.ready = false;
  Tensor gradient = s.pooled_gradients(dfeatures);
  const Rows<float> rows(gradient.as<float>().data(), gradient.rows(), s.architecture.width);
  for (std::size_t g = 0; g < s.step.groups.size(); ++g) {
    const SampleGroup& group = s.step.groups[g];
    s.run_backward(group, g, rows.rows(group.first_row, group.first_row + group.rows()));
  }
  return s.training.token_gradients ? std::move(gradient) : Tensor();
}

std::vector<Parameter*> TrainableEncoder::parameters() {
  State& s = *state_;
  std::vector<Parameter*> result;
  for (TrainableBlock& block : s.blocks) {
    const auto more = block.parameters();
    result.insert(result.end(), more.begin(), more.end());
  }
  for (Parameter* parameter : {&s.final_norm.gain, &s.final_norm.bias, &s.projection}) {
    if (parameter->learns()) result.push_back(parameter);
  }
  return result;
}

void TrainableEncoder::parameters_changed() {
  State& s = *state_;
  std::vector<TrainableBlock*> changed;
  for (TrainableBlock& block : s.blocks) {
    if (block.learns()) changed.push_back(&block);
  }
  s.pool.parallel_for(changed.size() * TrainableBlock::kLinears, [&](std::size_t item, std::size_t) {
    changed[item / TrainableBlock::kLinears]->pack(item % TrainableBlock::kLinears);
  });
}

void TrainableEncoder::store(Part& part) const {
  const State& s = *state_;
  for (const TrainableBlock& block : s.blocks) block.store(part);
  for (const Parameter* parameter : {&s.final_norm.gain, &s.final_norm.bias, &s.projection}) {
    if (parameter->learns()) store_tensor(part, parameter->name, parameter->value);
  }
}

}  // namespace mt
