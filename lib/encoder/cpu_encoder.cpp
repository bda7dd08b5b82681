// Runs the blocks over a batch. Samples are gathered into chunks of a few hundred tokens, and a worker takes a chunk
// through all blocks before its next one, so that activations stay in cache. Where chunks are too few to go round, or
// long, the rows of one chunk are shared by all workers, who meet once a block. Every step is made of operations whose
// rows do not know of each other, so both ways give the same bytes.
#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/error.h"
#include "encoder/chunk.h"
#include "encoder/encode_plan.h"
#include "encoder/encoder.h"
#include "encoder/pooling.h"

namespace mt {

namespace {

// A longer chunk is shared by all workers.
constexpr std::size_t kSharedTokens = 1024;

// Consecutive samples; offsets are counted from the first one's first token.
struct Chunk {
  std::size_t first_sample = 0, first_row = 0;
  std::vector<std::size_t> offsets = {0};

  std::size_t samples() const { return offsets.size() - 1; }
  std::size_t rows() const { return offsets.back(); }
};

class CpuEncoder final : public Encoder {
 public:
  CpuEncoder(const Part& part, ThreadPool& pool, Precision precision);

  const Architecture& architecture() const override { return architecture_; }
  std::size_t feature_width(const EncodeOptions& options) const override {
    return mt::feature_width(architecture_, options);
  }
  Tensor encode(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options,
                std::vector<FailedSample>* failed) override;
  LayerTimes layer_times() const override;

 private:
  // One call of encode.
  struct Job {
    const float* tokens = nullptr;
    std::span<const std::int64_t> offsets;
    const EncodeOptions* options = nullptr;
    std::size_t layers = 0;
    const LayerNorm* norm = nullptr;
    float* pooled = nullptr;  // [output rows, width]
    SamplePlan plan;
  };

  Job prepare(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options) const;
  std::vector<Chunk> chunks_of(const Job& job) const;
  void run(Job& job, const Chunk& chunk, ChunkState& state, std::size_t workers, const ForEach& for_each);
  void run_alone(Job& job, const Chunk& chunk, std::size_t worker);
  void run_shared(Job& job, const Chunk& chunk);
  void end_chunk(Job& job, const Chunk& chunk, ChunkState& state) const;
  Tensor project(const Tensor& pooled);

  const Kernels& kernels_;
  Numbers numbers_;
  Architecture architecture_;
  ThreadPool& pool_;
  std::vector<Block> blocks_;
  LayerNorm final_norm_;
  std::unique_ptr<Linear> projection_;
  std::vector<ChunkState> states_;          // of each worker; a shared chunk uses the first
  std::vector<BlockWorkspace> workspaces_;  // of each worker
};

CpuEncoder::CpuEncoder(const Part& part, ThreadPool& pool, Precision precision)
    : kernels_(kernels()),
      numbers_{&kernels_, precision},
      architecture_(architecture_of(part)),
      pool_(pool),
      states_(pool.size()) {
  for (std::size_t i = 0; i < pool.size(); ++i) workspaces_.emplace_back(numbers_);
  for (std::size_t i = 0; i < architecture_.blocks; ++i) blocks_.emplace_back(part, architecture_, i, numbers_);
  pool_.parallel_for(architecture_.blocks * Block::kLinears, [&](std::size_t item, std::size_t) {
    blocks_[item / Block::kLinears].pack(part, item % Block::kLinears);
  });
  if (architecture_.norm != Architecture::Norm::none) final_norm_ = layer_norm_of(part, "norm", architecture_.eps);
  if (architecture_.projection == 0) return;
  Tensor storage;
  const auto matrix = as_floats(part.at("projection"), storage);  // [width, projection]
  projection_ = std::make_unique<Linear>(matrix, std::span<const float>{}, architecture_.width,
                                         architecture_.projection, Finish::bias, kernels_, Precision::f32,
                                         ProductBackend::automatic, WeightOrder::by_input);
}

CpuEncoder::Job CpuEncoder::prepare(const Tensor& tokens, std::span<const std::int64_t> offsets,
                                    const EncodeOptions& options) const {
  Job job;
  job.plan = plan_samples(architecture_, tokens, offsets, options);
  job.tokens = tokens.as<float>().data();
  job.offsets = offsets;
  job.options = &options;
  job.layers = layers_of(architecture_, options);
  job.norm = norms(architecture_, options) ? &final_norm_ : nullptr;
  return job;
}

std::vector<Chunk> CpuEncoder::chunks_of(const Job& job) const {
  std::vector<Chunk> chunks;
  for (std::size_t i = 0; i < job.plan.samples(); ++i) {
    const auto begin = static_cast<std::size_t>(job.offsets[i]),
               length = static_cast<std::size_t>(job.offsets[i + 1]) - begin;
    if (!chunks.empty() && chunks.back().rows() + length <= kChunkTokens) {
      chunks.back().offsets.push_back(chunks.back().rows() + length);
    } else {
      chunks.push_back({i, begin, {0, length}});
    }
  }
  return chunks;
}

void CpuEncoder::run(Job& job, const Chunk& chunk, ChunkState& state, std::size_t workers, const ForEach& for_each) {
  ChunkRun run(blocks_, architecture_, numbers_, state, workspaces_, workers, for_each);
  run.run(job.tokens + chunk.first_row * architecture_.width, chunk.offsets, job.layers,
          {job.options->merge, job.options->prefix});
  end_chunk(job, chunk, state);
}

void CpuEncoder::run_alone(Job& job, const Chunk& chunk, std::size_t worker) {
  run(job, chunk, states_[worker], 1, [worker](std::size_t items, const Task& task) {
    for (std::size_t item = 0; item < items; ++item) task(item, worker);
  });
}

void CpuEncoder::run_shared(Job& job, const Chunk& chunk) {
  run(job, chunk, states_[0], pool_.size(),
      [this](std::size_t items, const Task& task) { pool_.parallel_for(items, task); });
}

void CpuEncoder::end_chunk(Job& job, const Chunk& chunk, ChunkState& state) const {
  const std::size_t width = architecture_.width;
  for (std::size_t s = 0; s < chunk.samples(); ++s) {
    const std::size_t sample = chunk.first_sample + s, begin = state.offsets[s], length = state.offsets[s + 1] - begin;
    if (!job.plan.reasons[sample].empty()) continue;
    const Rows<float> x(state.tokens.data() + begin * width, length, width);
    if (!all_finite(x.data, length * width)) {
      const std::size_t first = chunk.first_row + chunk.offsets[s], given = chunk.offsets[s + 1] - chunk.offsets[s];
      job.plan.reasons[sample] = not_finite({job.tokens + first * width, given * width});
      continue;
    }
    pool(x, state.sizes.empty() ? nullptr : state.sizes.data() + begin, job.options->pooling, job.options->prefix,
         job.norm, architecture_.norm, kernels_, job.pooled + job.plan.output_row[sample] * width);
  }
}

Tensor CpuEncoder::project(const Tensor& pooled) {
  const std::size_t samples = pooled.rows(), width = architecture_.width, columns = architecture_.projection;
  Tensor features(DType::f32, {samples, columns});
  const Rows<const float> x(pooled.as<float>().data(), samples, width);
  const Rows<float> y(features.as<float>().data(), samples, columns);
  const auto pieces = pieces_of(samples, pool_.size());
  pool_.parallel_for(pieces.size(), [&](std::size_t i, std::size_t) {
    projection_->forward(x.rows(pieces[i].begin, pieces[i].end), y.rows(pieces[i].begin, pieces[i].end));
  });
  return features;
}

Tensor CpuEncoder::encode(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options,
                          std::vector<FailedSample>* failed) {
  Job job = prepare(tokens, offsets, options);
  Tensor pooled(DType::f32, {job.plan.output_rows(), architecture_.width});
  job.pooled = pooled.as<float>().data();
  const std::vector<Chunk> chunks = chunks_of(job);
  // Short chunks go to one worker each in full rounds; those left over and long ones are shared.
  std::vector<const Chunk*> alone, shared;
  for (const Chunk& chunk : chunks)
    (chunk.rows() <= kSharedTokens || pool_.size() == 1 ? alone : shared).push_back(&chunk);
  while (alone.size() % pool_.size() != 0) {
    shared.push_back(alone.back());
    alone.pop_back();
  }
  // The longest go first, so that nobody begins a long one when the others are about to end.
  std::ranges::stable_sort(alone, std::ranges::greater(), &Chunk::rows);
  pool_.parallel_for(alone.size(), [&](std::size_t i, std::size_t worker) { run_alone(job, *alone[i], worker); });
  for (const Chunk* chunk : shared) run_shared(job, *chunk);
  Tensor features = projects(architecture_, options) ? project(pooled) : std::move(pooled);
  report_failed(job.plan, features, failed);
  return features;
}

LayerTimes CpuEncoder::layer_times() const {
  LayerTimes sum{};
  for (const BlockWorkspace& workspace : workspaces_) {
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += workspace.watch.times()[i];
  }
  return sum;
}

}  // namespace

Precision cpu_precision(Precision wanted, const Architecture& a) {
  const bool fits = a.width % 4 == 0 && a.mlp % 4 == 0 && a.width / a.heads % 2 == 0;
  return fits && has(kernels(), wanted) ? wanted : Precision::f32;
}

Precision cpu_precision(Precision wanted, const Architecture& architecture, Progress& progress) {
  const Precision precision = cpu_precision(wanted, architecture);
  if (precision != wanted) {
    progress.note(fmt::format("this machine has no {} products: computing in {}", name_of(wanted), name_of(precision)));
  }
  return precision;
}

std::unique_ptr<Encoder> make_cpu_encoder(const Part& encoder, ThreadPool& pool, Precision precision) {
  return std::make_unique<CpuEncoder>(encoder, pool, precision);
}

}  // namespace mt
