// What tokens of other programs may lack: a class token in front, and positions.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/tensor.h"

namespace mt {

struct TokenAdditions {
  std::optional<std::vector<float>> cls;  // [width], put before each sequence
  bool sincos = false;                    // add sin/cos positions, counted from the first token (the class token has 0)

  bool any() const { return cls || sincos; }
};

// position(t, 2i) = sin(t / 10000^(2i / width)), position(t, 2i + 1) = cos of the same (Vaswani et al., 2017): [width].
void sincos_position(std::size_t position, std::span<float> out);

// tokens: [sum of T, width] f32; offsets: [n + 1]. Both become those of the longer sequences.
void add_to_tokens(const TokenAdditions& additions, Tensor& tokens, std::vector<std::int64_t>& offsets);

}  // namespace mt
