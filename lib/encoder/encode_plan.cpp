#include "encoder/encode_plan.h"

#include <algorithm>
#include <cstring>
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

SamplePlan plan_samples(const Architecture& architecture, const Tensor& tokens, std::span<const std::int64_t> offsets,
                        const EncodeOptions& options) {
  require_packed(architecture, tokens, offsets);
  if (options.merge > 0 && (options.pooling == Pooling::tokens || options.pooling == Pooling::eot)) {
    throw Error("--merge", "merged tokens are not those that came in", "--pool cls, mean or max");
  }
  SamplePlan plan;
  plan.output_row.push_back(0);
  for (std::size_t i = 0; i + 1 < offsets.size(); ++i) {
    const auto length = static_cast<std::size_t>(offsets[i + 1] - offsets[i]);
    plan.reasons.push_back(unpoolable(length, options));
    plan.output_row.push_back(plan.output_row.back() + pooled_rows(length, options));
  }
  return plan;
}

bool all_finite(const float* values, std::size_t n) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, values + i, sizeof bits);
    bad |= static_cast<std::uint32_t>((bits & 0x7f800000u) == 0x7f800000u);
  }
  return bad == 0;
}

std::string not_finite(std::span<const float> tokens) {
  return all_finite(tokens.data(), tokens.size()) ? "its features are not finite" : "its tokens hold NaN or Inf";
}

void report_failed(const SamplePlan& plan, Tensor& features, std::vector<FailedSample>* failed) {
  const std::size_t width = features.columns();
  float* values = features.as<float>().data();
  for (std::size_t i = 0; i < plan.samples(); ++i) {
    float* rows = values + plan.output_row[i] * width;
    const std::size_t elements = (plan.output_row[i + 1] - plan.output_row[i]) * width;
    std::string reason = plan.reasons[i];
    if (reason.empty() && !all_finite(rows, elements)) reason = "its features are not finite";
    if (reason.empty()) continue;
    if (failed == nullptr) throw Error(fmt::format("sample {}", i), reason);
    std::fill_n(rows, elements, 0.0f);
    failed->push_back({i, std::move(reason)});
  }
}

Pooling usual_pooling(const Part& encoder, std::size_t prefix) {
  return prefix == 0 || encoder.config.value("pooling", "") == "mean" ? Pooling::mean : Pooling::cls;
}

}  // namespace mt
