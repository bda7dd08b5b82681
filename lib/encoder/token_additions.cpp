#include "encoder/token_additions.h"

#include <algorithm>

#include "tokenize/positions.h"

namespace mt {

void add_to_tokens(const TokenAdditions& additions, Tensor& tokens, std::vector<std::int64_t>& offsets) {
  const std::size_t width = tokens.columns(), samples = offsets.size() - 1, extra = additions.cls ? 1 : 0;
  Tensor longer(DType::f32, {tokens.rows() + samples * extra, width});
  std::vector<float> positions;  // of the longest sequence so far
  std::vector<std::int64_t> moved = {0};
  for (std::size_t i = 0; i < samples; ++i) {
    const auto begin = static_cast<std::size_t>(offsets[i]), length = static_cast<std::size_t>(offsets[i + 1]) - begin;
    float* target = longer.as<float>().data() + static_cast<std::size_t>(moved.back()) * width;
    if (additions.cls) std::copy_n(additions.cls->data(), width, target);
    std::copy_n(tokens.as<float>().data() + begin * width, length * width, target + extra * width);
    const std::size_t total = length + extra;
    if (additions.sincos) {
      for (std::size_t t = positions.size() / width; t < total; ++t) {
        positions.resize((t + 1) * width);
        sincos_position(t, std::span(positions).last(width));
      }
      for (std::size_t j = 0; j < total * width; ++j) target[j] += positions[j];
    }
    moved.push_back(moved.back() + static_cast<std::int64_t>(total));
  }
  tokens = std::move(longer);
  offsets = std::move(moved);
}

}  // namespace mt
