// The frozen encoder: tokens in, features out. One interface, an executor per device behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/progress.h"
#include "base/tensor.h"
#include "base/threads.h"
#include "encoder/layer_times.h"
#include "kernels/kernels.h"
#include "store/model.h"

namespace mt {

// What an "encoder" part's configuration says.
struct Architecture {
  std::size_t blocks = 0, width = 0, heads = 0, mlp = 0;
  double eps = 1e-5, scale = 0;
  enum class Activation : std::uint8_t { gelu, quick_gelu } activation = Activation::gelu;
  enum class Norm : std::uint8_t { none, before_pooling, after_pooling } norm = Norm::none;
  std::size_t projection = 0;  // columns of the projection, 0: none
};
// Throws Error: missing or misshapen tensors, impossible sizes, unknown names.
Architecture architecture_of(const Part& encoder);

enum class Pooling : std::uint8_t { cls, mean, max, tokens, eot };
Pooling pooling_named(std::string_view name);  // throws Error
std::string_view name_of(Pooling pooling);

struct EncodeOptions {
  Pooling pooling = Pooling::cls;
  std::optional<std::size_t> layers;  // run this many blocks; then no norm and no projection unless norm is set
  bool norm = false;                  // with layers: apply the final norm (and the projection) anyway
  bool projection = true;             // apply it where the model has one (never to Pooling::tokens)
  std::size_t merge = 0;   // pairs of tokens joined in each block (layers/token_merging.h); for cls, mean and max only
  std::size_t prefix = 1;  // leading tokens left out of mean, max and tokens; cls is token 0, eot the last one
};

// A sample of a batch that gave no features.
struct FailedSample {
  std::size_t sample = 0;  // its position in the batch
  std::string reason;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual const Architecture& architecture() const = 0;
  virtual std::size_t feature_width(const EncodeOptions& options) const = 0;

  // tokens: [sum of T, width] f32; offsets: [n + 1], first 0. Returns [n, feature width], or for Pooling::tokens
  // [sum of (T - prefix), width]. A sample's bytes do not depend on its batch mates, the batch or the threads.
  // A sample with NaN or Inf in tokens or result, without tokens, or with nothing but prefix to pool, is put into
  // failed, in order, and its rows are zeros; without failed, Error is thrown with its position as where ("sample 3").
  virtual Tensor encode(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options,
                        std::vector<FailedSample>* failed = nullptr) = 0;

  // Calls of encode that may be under way at once, each on a thread of its own; more gain nothing.
  virtual std::size_t concurrency() const { return 1; }
  // Tokens of a batch that it likes best.
  virtual std::size_t usual_budget() const { return 4096; }

  // Of everything encoded so far; zeros where the executor does not time its layers.
  virtual LayerTimes layer_times() const = 0;
};

Precision precision_named(std::string_view name);  // "f32", "bf16", "int8", "f16"; throws Error
std::string_view name_of(Precision precision);

// The precision that this machine gives when `wanted` is asked for, which is float32 where it has no such products, or
// where the encoder's sizes do not fill their groups of 4 numbers.
Precision cpu_precision(Precision wanted, const Architecture& architecture);
// The same, and says so where it is another.
Precision cpu_precision(Precision wanted, const Architecture& architecture, Progress& progress);

// The CPU executor; the pool is shared with the rest of the program. Precision: one that cpu_precision gave.
std::unique_ptr<Encoder> make_cpu_encoder(const Part& encoder, ThreadPool& pool, Precision precision = Precision::f32);

}  // namespace mt
