// What tokens of other programs may lack: a class token in front, and positions.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/tensor.h"

namespace mt {

struct TokenAdditions {
  std::optional<std::vector<float>> cls;  // [width], put before each sequence
  bool sincos = false;                    // add sin/cos positions, counted from the first token (the class token has 0)

  bool any() const { return cls || sincos; }
};

// tokens: [sum of T, width] f32; offsets: [n + 1]. Both become those of the longer sequences.
void add_to_tokens(const TokenAdditions& additions, Tensor& tokens, std::vector<std::int64_t>& offsets);

}  // namespace mt
