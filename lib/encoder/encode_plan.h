// What options come to on an encoder, whoever computes: the same questions and refusals for every executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "encoder/encoder.h"

namespace mt {

bool norms(const Architecture& architecture, const EncodeOptions& options);     // the final norm is applied
bool projects(const Architecture& architecture, const EncodeOptions& options);  // so is the projection
std::size_t feature_width(const Architecture& architecture, const EncodeOptions& options);
// Blocks to run. Throws Error: more than there are.
std::size_t layers_of(const Architecture& architecture, const EncodeOptions& options);

// Throws Error when tokens are not [any, width], std::logic_error when offsets do not rise from 0 to their number.
void require_packed(const Architecture& architecture, const Tensor& tokens, std::span<const std::int64_t> offsets);

// Why a sequence of this length gives no features; empty: it gives some.
std::string unpoolable(std::size_t length, const EncodeOptions& options);
// Rows of the features of a sequence.
std::size_t pooled_rows(std::size_t length, const EncodeOptions& options);

// Where the features of each sample of a batch go, and why some have none.
struct SamplePlan {
  std::vector<std::size_t> output_row;  // [samples + 1], of the features
  std::vector<std::string> reasons;     // [samples]; empty: it is well

  std::size_t samples() const { return reasons.size(); }
  std::size_t output_rows() const { return output_row.back(); }
};
// Throws Error for options that do not go together, and as require_packed does.
SamplePlan plan_samples(const Architecture& architecture, const Tensor& tokens, std::span<const std::int64_t> offsets,
                        const EncodeOptions& options);

bool all_finite(const float* values, std::size_t n);
// What is wrong with a sample whose tokens came out of the blocks with NaN or infinity. tokens: [any], as they went in.
std::string not_finite(std::span<const float> tokens);

// Ends Encoder::encode: samples without features, or with features that are not finite, become rows of zeros and are
// put into failed; without failed, Error is thrown.
void report_failed(const SamplePlan& plan, Tensor& features, std::vector<FailedSample>* failed);

// How features are pooled when nobody says: as the encoder's configuration does, but a class token must be there.
Pooling usual_pooling(const Part& encoder, std::size_t prefix);

}  // namespace mt
