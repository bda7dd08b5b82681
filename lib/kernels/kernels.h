// The inner loops, once per instruction set behind one table of functions. All are single-threaded, keep no state and
// give each row the same bytes whatever the other rows are: every sum runs in an order that depends on the row's own
// length alone.
//
// Groups. Products read their operands in 32-bit groups along the inner dimension: one float32, two bfloat16, four
// bytes, or two 16-bit integers where the machine has no products of bytes. Strides and depths below count groups.
//
// Panels. A matrix that is multiplied from the right is stored as panels of `panel` columns, each panel [depth, panel]
// groups and contiguous, the last one padded with zeros: what the inner loop reads next lies next.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa.h"

namespace mt {

// 32 bits of an operand, whatever they mean.
typedef std::uint32_t __attribute__((may_alias)) Group;

// Of the operands of products. Sums, softmax, norms and the residual stream are float32 in each. f16 is for cards
// alone.
enum class Precision : std::uint8_t { f32, bf16, int8, f16 };

// What happens to a product before it is stored. f32: the activations are exact to float32 rounding; bf16 and int8:
// GELU is a polynomial with an absolute error of 2e-4, a tenth of bfloat16's rounding near 1.
enum class Finish : std::uint8_t { bias, bias_gelu, bias_quick_gelu, bias_add };

// y = finish(a w + bias). bias_add adds to what y holds.
struct ProductCall {
  const void* a = nullptr;  // [rows, depth] groups, rows a_stride apart
  std::size_t a_stride = 0;
  std::size_t rows = 0, depth = 0, columns = 0;
  const void* panels = nullptr;               // [columns / panel, depth, panel] groups, 64-byte aligned
  const float* bias = nullptr;                // [columns rounded up to panel]
  const float* row_scales = nullptr;          // int8: of each row of a, [rows]
  const float* column_scales = nullptr;       // int8: of each column, [columns rounded up]
  const std::int32_t* corrections = nullptr;  // int8: what the offset of a adds to each column, [columns rounded up]
  Finish finish = Finish::bias;
  bool narrow = false;  // y is bfloat16, not float32 (not with bias_add)
  void* y = nullptr;    // [rows, columns], rows y_stride elements apart
  std::size_t y_stride = 0;
};

// out = softmax(scale q k^T) v for some query rows of one head of one sequence; operands float32, or bfloat16 in pairs.
struct AttentionCall {
  const void* query = nullptr;  // [rows, head_size], rows query_stride groups apart
  std::size_t query_stride = 0;
  std::size_t rows = 0, tokens = 0, head_size = 0;
  const void* keys = nullptr;  // panels of the transposed keys: [tokens / panel, groups of head_size, panel]
  // float32: [tokens, value_stride]. bfloat16: [tokens / 2, value_stride] groups, each two consecutive tokens' values
  // of one column (the odd one out is followed by zero). Zeros behind head_size.
  const void* values = nullptr;
  std::size_t value_stride = 0;  // head_size rounded up to lanes
  float scale = 1;
  const float* key_bias = nullptr;  // [tokens] added to the scores times log2(e), or null
  void* out = nullptr;              // [rows, head_size], rows out_stride elements apart
  std::size_t out_stride = 0;
  float* scratch = nullptr;  // attention_scratch(rows, head_size) floats, 64-byte aligned
};

// Log-mel energies of the frames of a signal, as tokenize/audio/filterbank.h defines them, in double precision. The
// bytes are the same for every instruction set.
struct FilterbankCall {
  const float* signal = nullptr;  // [(frames - 1) shift + length]
  std::size_t frames = 0, shift = 0, length = 0;
  double preemphasis = 0;
  const double* window = nullptr;       // [length]
  std::size_t half = 0;                 // of the transform's size, a power of two
  const double* roots = nullptr;        // [2 half] exp(-2 pi i k / 2 half), interleaved
  const std::size_t* places = nullptr;  // [half] where the transform leaves coefficients
  std::size_t bins = 0;
  const std::size_t *begins = nullptr, *ends = nullptr;  // [bins] of the spectrum
  const double* weights = nullptr;                       // of each bin's range, one behind the other
  double floor = 0;
  float* out = nullptr;       // [frames, bins]
  double* scratch = nullptr;  // filterbank_scratch(half) doubles, 64-byte aligned
};

struct Kernels {
  Isa isa;
  std::size_t lanes;       // floats of one vector: rows of values are padded to a multiple of it
  std::size_t panel;       // columns of one panel, a multiple of lanes
  std::size_t int8_group;  // elements of an int8 operand in one group: 4 (bytes, +128), 2 (int16) or 0 (none)

  void (*product_f32)(const ProductCall& call);
  void (*product_bf16)(const ProductCall& call);  // null without; its left operand is float32 unless narrows(kernels)
  void (*product_int8)(const ProductCall& call);  // null without
  void (*attention_f32)(const AttentionCall& call);
  void (*attention_bf16)(const AttentionCall& call);  // null unless narrows(kernels)

  // y = (x - mean) / sqrt(variance + eps) * gain + bias for each of [rows, width]; x and y may be the same.
  void (*layer_norm)(const float* x, std::size_t rows, std::size_t width, const float* gain, const float* bias,
                     float eps, float* y);

  // Symmetric quantisation of one row of n elements, float32 or (narrow) bfloat16, to int8 operand groups; n is a
  // multiple of 4. Returns the scale, largest magnitude / 127: 0 for a row of zeros, NaN when there is one, so that it
  // shows.
  float (*quantise)(const void* x, bool narrow, std::size_t n, void* groups);

  // float32 to bfloat16, rounded to nearest even.
  void (*narrow)(const float* x, std::size_t n, std::uint16_t* y);

  void (*filterbank)(const FilterbankCall& call);

  // Stores rows [begin, end) of a matrix [n, depth] as columns of the panels of its transpose: keys of a head, or
  // weights as PyTorch stores them. x points at row begin, rows are x_stride apart. Disjoint rows may be packed by
  // several threads.
  void (*pack_panels)(const Group* x, std::size_t x_stride, std::size_t begin, std::size_t end, std::size_t depth,
                      Group* panels);
};

// The kernels of one level; logic_error when this machine or this build does not have it.
const Kernels& kernels_of(Isa isa);
// For machines on which an instruction for pairs of bfloat16 takes longer than two of float32: weights in bfloat16 are
// widened a panel at a time, everything else is float32. logic_error below avx512_vnni.
const Kernels& widening_kernels();
// Those of machine_isa(), or the widening ones where they are faster.
const Kernels& kernels();

// Does bfloat16 pass between layers, into its products and through attention, wherever the precision is not float32?
bool narrows(const Kernels& kernels);

// Does it have products (and, for bf16, attention) of this precision?
bool has(const Kernels& kernels, Precision precision);

// Groups of the panels of a matrix of `columns` columns.
std::size_t panel_groups(const Kernels& kernels, std::size_t depth, std::size_t columns);

// Rows of the largest tile of any level.
inline constexpr std::size_t kMostTileRows = 8;

// Attention walks over the keys in blocks of this many, counted from the start of the sequence: whole panels of every
// level.
inline constexpr std::size_t kKeyBlock = 480;

// Floats of scratch that AttentionCall needs.
std::size_t attention_scratch(std::size_t rows, std::size_t head_size);

// Doubles of scratch that FilterbankCall needs: three vectors of the widest kind for each coefficient.
constexpr std::size_t filterbank_scratch(std::size_t half) { return 3 * 8 * half; }

}  // namespace mt
