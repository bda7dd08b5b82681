// The frozen encoder: tokens in, features out. One interface, an executor per device behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/tensor.h"
#include "base/threads.h"
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
Architecture architecture_of(const Part& encoder);  // throws Error: inconsistent shapes, unknown names

enum class Pooling : std::uint8_t { cls, mean, max, tokens, eot };
Pooling pooling_named(std::string_view name);  // throws Error

struct EncodeOptions {
  Pooling pooling = Pooling::cls;
  std::optional<std::size_t> layers;  // run this many blocks; then no norm and no projection unless norm is set
  bool norm = false;                  // with layers: apply the final norm anyway
  bool projection = true;             // apply it where the model has one (never to Pooling::tokens)
  std::size_t prefix = 1;             // leading tokens left out of mean, max and tokens; cls is token 0
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  virtual const Architecture& architecture() const = 0;
  virtual std::size_t feature_width(const EncodeOptions& options) const = 0;

  // tokens: [sum of T, width] f32; offsets: [n + 1], first 0. Returns [n, feature width], or for Pooling::tokens
  // [sum of (T - prefix), width]. A sample's bytes do not depend on its batch mates, the batch or the threads.
  // Throws Error on NaN or Inf in the result, naming the sample's position through the exception's where ("sample 3").
  virtual Tensor encode(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options) = 0;
};

// The CPU executor; the pool is shared with the rest of the program.
std::unique_ptr<Encoder> make_cpu_encoder(const Part& encoder, ThreadPool& pool);

}  // namespace mt
