#include "fake_products.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/tensor.h"

namespace mt::fake {

namespace {

std::uint32_t types_of(const Problem& p) {
  return static_cast<std::uint32_t>(p.a.type) << 8 | static_cast<std::uint32_t>(p.d.type);
}

float number(const void* data, cudaDataType_t type, std::size_t i) {
  if (type == CUDA_R_32F) return static_cast<const float*>(data)[i];
  return type == CUDA_R_16F ? to_float(static_cast<const Half*>(data)[i])
                            : to_float(static_cast<const BFloat16*>(data)[i]);
}

void store(void* data, cudaDataType_t type, std::size_t i, float value) {
  if (type == CUDA_R_32F)
    static_cast<float*>(data)[i] = value;
  else if (type == CUDA_R_16F)
    static_cast<Half*>(data)[i] = to_half(value);
  else
    static_cast<BFloat16*>(data)[i] = to_bfloat16(value);
}

float rounded(float value) { return std::bit_cast<float>((std::bit_cast<std::uint32_t>(value) + 0x1000u) & ~0x1FFFu); }

// op(matrix) or its transpose as [outer, inner] of float32, rows end to end.
std::vector<float> unfolded(const void* data, const Layout& layout, bool columns_outside, bool round) {
  const std::size_t outer = columns_outside ? layout.columns : layout.rows,
                    inner = columns_outside ? layout.rows : layout.columns;
  const auto leading = static_cast<std::size_t>(layout.leading);
  std::vector<float> numbers(outer * inner);
  for (std::size_t i = 0; i < outer; ++i) {
    for (std::size_t j = 0; j < inner; ++j) {
      const float value = number(data, layout.type, columns_outside ? i * leading + j : j * leading + i);
      numbers[i * inner + j] = round ? rounded(value) : value;
    }
  }
  return numbers;
}

// sums[i][m] += b[i][k] a[k][m] for k in [from, to), four columns of d at once.
constexpr std::size_t kTogether = 4;
void add_products(const float* a, const float* b, float* sums, std::size_t m, std::size_t k, std::size_t from,
                  std::size_t to, bool descending) {
  for (std::size_t step = from; step < to; ++step) {
    const std::size_t at = descending ? to - 1 - (step - from) : step;
    const float* row = a + at * m;
    const float b0 = b[at], b1 = b[k + at], b2 = b[2 * k + at], b3 = b[3 * k + at];
    for (std::size_t j = 0; j < m; ++j) {
      sums[j] += b0 * row[j];
      sums[m + j] += b1 * row[j];
      sums[2 * m + j] += b2 * row[j];
      sums[3 * m + j] += b3 * row[j];
    }
  }
}

}  // namespace

std::size_t bytes_of(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

std::size_t extent_of(const Layout& layout) {
  if (layout.rows == 0 || layout.columns == 0) return 0;
  return ((layout.columns - 1) * static_cast<std::size_t>(layout.leading) + layout.rows) * bytes_of(layout.type);
}

cublasStatus_t check(const Problem& p) {
  const bool turn_a = p.operation.turn_a != CUBLAS_OP_N, turn_b = p.operation.turn_b != CUBLAS_OP_N;
  for (const Layout* layout : {&p.a, &p.b, &p.c, &p.d}) {
    if (layout->leading < static_cast<std::int64_t>(layout->rows)) return CUBLAS_STATUS_INVALID_VALUE;
  }
  if ((turn_a ? p.a.columns : p.a.rows) != p.m() || (turn_b ? p.b.rows : p.b.columns) != p.n() ||
      (turn_b ? p.b.columns : p.b.rows) != p.k() || p.c.rows != p.m() || p.c.columns != p.n())
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto is_known = [](cudaDataType_t type) {
    return type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF;
  };
  // The rows of cublasLtMatmul's table of types for CUBLAS_COMPUTE_32F.
  if (p.operation.compute != CUBLAS_COMPUTE_32F || p.operation.scale != CUDA_R_32F || !is_known(p.a.type) ||
      p.b.type != p.a.type || p.c.type != p.d.type || (p.d.type != p.a.type && p.d.type != CUDA_R_32F))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p.operation.has_bias() && p.bias_type() != p.d.type) return CUBLAS_STATUS_NOT_SUPPORTED;
  const std::size_t card = visible_cards()[static_cast<std::size_t>(current_card())];
  if (p.a.type == CUDA_R_16BF && settings().capabilities[card].first < 8) return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

// As with the real ones, the first are those that a careless user would take: they cut the sum, by the preference or
// against it, or round. What is left sums in one piece; the better of the two does so with few columns or with many.
std::vector<Way> ways(const Problem& p, const Preference& preference) {
  const bool f32 = p.a.type == CUDA_R_32F, workspace = p.k() > p.m();
  Way plain;
  plain.types = types_of(p);
  plain.implementation = f32 ? CUBLASLT_NUMERICAL_IMPL_FLAGS_FMA : CUBLASLT_NUMERICAL_IMPL_FLAGS_HMMA;
  plain.alignment = *std::min_element(std::begin(preference.alignments), std::end(preference.alignments));
  std::vector<Way> all;
  const auto add = [&](auto change) {
    Way way = plain;
    change(way);
    all.push_back(way);
  };
  add([](Way& way) { way.parts = 4, way.sum = Way::Sum::in_parts; });
  add([](Way& way) {
    way.parts = 3, way.sum = Way::Sum::in_parts, way.workspace = 1 << 20;
    way.reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  });
  add([](Way& way) { way.sum = Way::Sum::in_parts, way.reduction = CUBLASLT_REDUCTION_SCHEME_INPLACE; });
  if (f32) {
    add([](Way& way) {
      way.sum = Way::Sum::rounded;
      way.implementation = CUBLASLT_NUMERICAL_IMPL_FLAGS_HMMA | CUBLASLT_NUMERICAL_IMPL_FLAGS_INPUT_TF32;
    });
  }
  add([](Way& way) { way.sum = Way::Sum::descending, way.columns = 256; });
  if (workspace)
    add([](Way& way) { way.columns = 128, way.workspace = 64 << 10; });
  else
    add([](Way& way) { way.columns = 128; });
  if (!workspace) add([](Way& way) { way.sum = Way::Sum::descending; });
  if (p.n() < 4096) std::reverse(all.begin(), all.end());
  std::erase_if(all, [&](const Way& way) {
    return (way.reduction & ~preference.reductions) != 0 || way.workspace > preference.workspace ||
           (way.implementation & ~preference.implementations) != 0 || check(p, way) != CUBLAS_STATUS_SUCCESS;
  });
  return all;
}

cublasStatus_t check(const Problem& p, const Way& way) {
  if (way.mark != Way::kMark) violation("cuBLASLt: an algorithm that no heuristic has given");
  if (way.types != types_of(p)) return CUBLAS_STATUS_INVALID_VALUE;
  return p.n() == way.columns || p.n() % (4 * way.columns) == 0 || way.columns == 1 ? CUBLAS_STATUS_SUCCESS
                                                                                    : CUBLAS_STATUS_NOT_SUPPORTED;
}

void multiply(const Problem& p, const Way& way, const Operands& operands) {
  const std::size_t m = p.m(), n = p.n(), k = p.k();
  const bool round = way.sum == Way::Sum::rounded;
  const std::vector<float> a = unfolded(operands.a, p.a, p.operation.turn_a == CUBLAS_OP_N, round);
  std::vector<float> b = unfolded(operands.b, p.b, p.operation.turn_b == CUBLAS_OP_N, round);
  b.resize((n + kTogether - 1) / kTogether * kTogether * k);
  // Where the sum is cut depends on the number of columns.
  const std::size_t parts = way.sum == Way::Sum::in_parts ? 2 + n / 128 % 5 : 1;
  std::vector<float> sums(kTogether * m), part(kTogether * m);
  for (std::size_t first = 0; first < n; first += kTogether) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (std::size_t i = 0; i < parts; ++i) {
      std::fill(part.begin(), part.end(), 0.0F);
      add_products(a.data(), b.data() + first * k, part.data(), m, k, k * i / parts, k * (i + 1) / parts,
                   way.sum == Way::Sum::descending);
      for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += part[j];
    }
    for (std::size_t i = 0; i < std::min(kTogether, n - first); ++i) {
      for (std::size_t j = 0; j < m; ++j) {
        float value = operands.alpha * sums[i * m + j];
        if (operands.beta != 0)
          value +=
              operands.beta * number(operands.c, p.c.type, (first + i) * static_cast<std::size_t>(p.c.leading) + j);
        if (p.operation.has_bias()) value += number(p.operation.bias, p.bias_type(), j);
        store(operands.d, p.d.type, (first + i) * static_cast<std::size_t>(p.d.leading) + j, value);
      }
    }
  }
}

}  // namespace mt::fake
