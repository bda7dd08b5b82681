#include "encoder/encode_plan.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

// Norm and projection belong to the whole encoder's output.
bool finishes(const EncodeOptions& options) { return !options.layers || options.norm; }

bool per_token(const EncodeOptions& options) { return options.pooling == Pooling::tokens; }

}  // namespace

bool norms(const Architecture& architecture, const EncodeOptions& options) {
  return architecture.norm != Architecture::Norm::none && finishes(options);
}

bool projects(const Architecture& architecture, const EncodeOptions& options) {
  return architecture.projection > 0 && options.projection && !per_token(options) && finishes(options);
}

std::size_t feature_width(const Architecture& architecture, const EncodeOptions& options) {
  return projects(architecture, options) ? architecture.projection : architecture.width;
}

std::size_t layers_of(const Architecture& architecture, const EncodeOptions& options) {
  const std::size_t layers = options.layers.value_or(architecture.blocks);
  if (layers > architecture.blocks) {
    throw Error("--layers", fmt::format("{} blocks are asked for, the encoder has {}", layers, architecture.blocks));
  }
  return layers;
}

void require_packed(const Architecture& architecture, const Tensor& tokens, std::span<const std::int64_t> offsets) {
  if (tokens.shape().size() != 2 || tokens.columns() != architecture.width) {
    throw Error("tokens",
                fmt::format("they are {}, the encoder takes rows of {}", to_string(tokens.shape()), architecture.width),
                "use the model that made them");
  }
  if (offsets.empty() || offsets.front() != 0 || !std::ranges::is_sorted(offsets) ||
      static_cast<std::size_t>(offsets.back()) != tokens.rows()) {
    throw std::logic_error("encoder: offsets must rise from 0 to the number of tokens");
  }
}

std::string unpoolable(std::size_t length, const EncodeOptions& options) {
  if (length == 0) return "it has no tokens";
  const bool needs_data = per_token(options) || options.pooling == Pooling::mean || options.pooling == Pooling::max;
  if (!needs_data || length > options.prefix) return "";
  return fmt::format("{} tokens, of which {} are prefix: nothing to pool", length, options.prefix);
}

std::size_t pooled_rows(std::size_t length, const EncodeOptions& options) {
  return per_token(options) ? length - std::min(length, options.prefix) : 1;
}

Pooling usual_pooling(const Part& encoder, std::size_t prefix) {
  return prefix == 0 || encoder.config.value("pooling", "") == "mean" ? Pooling::mean : Pooling::cls;
}

}  // namespace mt
