// The inner loops, once per instruction set behind one table of functions. All are single-threaded, keep no state and
// give each row the same bytes whatever the other rows are: every sum runs in an order that depends on the row's own
// length alone.
//
// Panels. A matrix that is multiplied from the right is stored as panels of `panel` columns, each panel [depth, panel]
// and contiguous, the last one padded with zeros: what the inner loop reads next lies next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace mt {

// What happens to a product before it is stored.
enum class Finish : std::uint8_t { bias, bias_gelu, bias_quick_gelu, bias_add };

// y = finish(a w + bias). bias_add adds to what y holds.
struct ProductCall {
  const float* a = nullptr;  // [rows, depth], rows a_stride apart
  std::size_t a_stride = 0;
  std::size_t rows = 0, depth = 0, columns = 0;
  const float* panels = nullptr;  // [columns / panel, depth, panel]
  const float* bias = nullptr;    // [columns rounded up to panel]
  Finish finish = Finish::bias;
  float* y = nullptr;  // [rows, columns], rows y_stride apart
  std::size_t y_stride = 0;
};

// out = softmax(scale q k^T) v for some query rows of one head of one sequence.
struct AttentionCall {
  const float* query = nullptr;  // [rows, head_size], rows query_stride apart
  std::size_t query_stride = 0;
  std::size_t rows = 0, tokens = 0, head_size = 0;
  const float* keys = nullptr;    // panels of the transposed keys: [tokens / panel, head_size, panel]
  const float* values = nullptr;  // [tokens, value_stride], zeros behind head_size
  std::size_t value_stride = 0;   // head_size rounded up to lanes
  float scale = 1;
  float* out = nullptr;  // [rows, head_size], rows out_stride apart
  std::size_t out_stride = 0;
  float* scratch = nullptr;  // attention_scratch(rows, head_size) floats, 64-byte aligned
};

struct Kernels {
  Isa isa;
  std::size_t lanes;  // floats of one vector: rows of values are padded to a multiple of it
  std::size_t panel;  // columns of one panel, a multiple of lanes

  void (*product)(const ProductCall& call);
  void (*attention)(const AttentionCall& call);

  // y = (x - mean) / sqrt(variance + eps) * gain + bias for each of [rows, width]; x and y may be the same.
  void (*layer_norm)(const float* x, std::size_t rows, std::size_t width, const float* gain, const float* bias,
                     float eps, float* y);

  // Stores rows [begin, end) of a matrix [n, depth] as columns of the panels of its transpose: keys of a head, or
  // weights as PyTorch stores them. x points at row begin, rows are x_stride apart. Disjoint rows may be packed by
  // several threads.
  void (*pack_panels)(const float* x, std::size_t x_stride, std::size_t begin, std::size_t end, std::size_t depth,
                      float* panels);
};

// The kernels of one level; logic_error when this machine or this build does not have it.
const Kernels& kernels_of(Isa isa);
// Those of machine_isa().
const Kernels& kernels();

// Floats of scratch that AttentionCall needs.
std::size_t attention_scratch(std::size_t rows, std::size_t head_size);

// Elements of the panels of a matrix of `columns` columns.
std::size_t panel_elements(const Kernels& kernels, std::size_t depth, std::size_t columns);

// Attention walks over the keys in blocks of this many, counted from the start of the sequence.
inline constexpr std::size_t kKeyBlock = 512;

}  // namespace mt
