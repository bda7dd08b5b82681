// What options come to on an encoder, whoever computes: the same questions and refusals for every executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

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

// How features are pooled when nobody says: as the encoder's configuration does, but a class token must be there.
Pooling usual_pooling(const Part& encoder, std::size_t prefix);

}  // namespace mt
