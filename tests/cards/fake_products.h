// cuBLASLt's products as the host computes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fake.h"

namespace mt::fake {

struct Layout {
  cudaDataType_t type = CUDA_R_32F;
  std::uint64_t rows = 0, columns = 0;
  std::int64_t leading = 0;
};

struct Operation {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;
  cublasOperation_t turn_a = CUBLAS_OP_N, turn_b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  std::int32_t bias_type = -1;  // that of d

  bool has_bias() const { return epilogue == CUBLASLT_EPILOGUE_BIAS; }
};

struct Preference {
  std::uint64_t workspace = 0, implementations = ~std::uint64_t{0};
  std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_MASK;
  std::uint32_t alignments[4] = {256, 256, 256, 256};  // of a, b, c, d
};

// d = alpha op(a) op(b) + beta c, plus the bias along the columns of d; op(a): [m, k], op(b): [k, n], column by column.
struct Problem {
  Operation operation;
  Layout a, b, c, d;

  std::uint64_t m() const { return d.rows; }
  std::uint64_t n() const { return d.columns; }
  std::uint64_t k() const { return operation.turn_a == CUBLAS_OP_N ? a.columns : a.rows; }
  cudaDataType_t bias_type() const {
    return operation.bias_type < 0 ? d.type : static_cast<cudaDataType_t>(operation.bias_type);
  }
};

// A way to compute it, as it lies in a cublasLtMatmulAlgo_t.
struct Way {
  enum class Sum : std::uint32_t { ascending, descending, in_parts, rounded };  // rounded: operands of 10 bits (TF32)
  static constexpr std::uint64_t kMark = 0x77617920746f676f;

  std::uint64_t mark = kMark;
  std::uint64_t workspace = 0, implementation = 0;
  std::uint32_t types = 0;  // of a and d, of which alone it knows
  std::int32_t parts = 1;
  std::uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_NONE;
  std::uint32_t alignment = 16;
  std::uint32_t columns = 1;  // n: so many or a multiple of four times so many
  Sum sum = Sum::ascending;
};
static_assert(sizeof(Way) <= sizeof(cublasLtMatmulAlgo_t));

// The documented answer to what cannot be: shapes that do not go together, types that no card combines.
cublasStatus_t check(const Problem& problem);
// Those that the preference allows, best first, which depends on n.
std::vector<Way> ways(const Problem& problem, const Preference& preference);
cublasStatus_t check(const Problem& problem, const Way& way);

struct Operands {
  const void *a, *b, *c;
  void* d;
  float alpha, beta;
};
void multiply(const Problem& problem, const Way& way, const Operands& operands);
std::size_t bytes_of(cudaDataType_t type);
// From the first to the last number of the matrix.
std::size_t extent_of(const Layout& layout);

}  // namespace mt::fake
