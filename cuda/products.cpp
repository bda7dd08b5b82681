#include "products.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "encoder/encoder.h"

namespace mt::cuda {

namespace {

// At which the way is chosen: a batch of the size that the encoder makes by itself.
constexpr std::size_t kReferenceRows = 32 * kRowTile;
// Of operands and biases: what the widest loads need. All that the card allocates is aligned better, and the choice
// must not depend on by how much.
constexpr std::uint32_t kAlignment = 16;
// How many ways are looked at, best first.
constexpr int kCandidates = 32;

using Layout = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using Operation = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;
using Preference = Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t type_of(Precision precision) {
  switch (precision) {
    case Precision::f32:
      return CUDA_R_32F;
    case Precision::bf16:
      return CUDA_R_16BF;
    case Precision::f16:
      return CUDA_R_16F;
    case Precision::int8:
      break;
  }
  throw std::logic_error("cards have no products of int8");
}

std::size_t bytes_of(cudaDataType_t type) { return type == CUDA_R_32F ? 4 : 2; }

bool is_aligned(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % kAlignment == 0; }

template <class T>
T config_of(const cublasLtMatmulAlgo_t& way, cublasLtMatmulAlgoConfigAttributes_t attribute, const std::string& card) {
  T value{};
  std::size_t written = 0;
  check(cublasLtMatmulAlgoConfigGetAttribute(&way, attribute, &value, sizeof value, &written), card);
  return value;
}

// Is every sum computed by one unit, in one order?
bool sums_in_one_piece(const cublasLtMatmulAlgo_t& way, const std::string& card) {
  // Zero and one both mean that the sum is not cut.
  return config_of<std::int32_t>(way, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, card) <= 1 &&
         config_of<std::uint32_t>(way, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, card) == CUBLASLT_REDUCTION_SCHEME_NONE;
}

}  // namespace

// y = x W^T + bias as cuBLASLt sees it. It counts columns first, so a matrix of ours is its transpose there:
// y^T [outputs, rows] = W [outputs, inputs] x^T [inputs, rows], where W is the transpose of what lies in memory. The
// bias goes along the columns of y, which are its rows.
class Products::Problem {
 public:
  Problem(const Kind& kind, std::size_t rows, const void* bias, const std::string& card) : card_(card) {
    const cudaDataType_t in = type_of(kind.numbers), out = kind.widen ? CUDA_R_32F : in;
    weight_ = layout(in, kind.inputs, kind.outputs);
    x_ = layout(in, kind.inputs, rows);
    y_ = layout(out, kind.outputs, rows);
    cublasLtMatmulDesc_t operation = nullptr;
    check(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), card_);
    operation_.reset(operation);
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_N);
    if (!kind.bias) return;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(out));
    set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }

  // Does the way serve here? Whatever else fails throws: it would lead to another way, and to other bytes.
  bool fits(cublasLtHandle_t cublas, const cublasLtMatmulAlgo_t& way) const {
    cublasLtMatmulHeuristicResult_t result{};
    const cublasStatus_t status =
        cublasLtMatmulAlgoCheck(cublas, operation_.get(), weight_.get(), x_.get(), y_.get(), y_.get(), &way, &result);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
        status == CUBLAS_STATUS_ARCH_MISMATCH)
      return false;
    check(status, card_);
    return result.state == CUBLAS_STATUS_SUCCESS && result.workspaceSize <= kWorkspaceBytes;
  }

  // Best first; empty when there are none.
  std::vector<cublasLtMatmulAlgo_t> ways(cublasLtHandle_t cublas, std::size_t workspace_bytes,
                                         bool tensor_cores) const {
    cublasLtMatmulPreference_t made = nullptr;
    check(cublasLtMatmulPreferenceCreate(&made), card_);
    const Preference preference(made);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value), card_);
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{workspace_bytes});
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE});
    for (const auto attribute :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(attribute, kAlignment);
    // Of float32 numbers they would take 10 bits of each significand, however that is brought about.
    if (!tensor_cores)
      prefer(CUBLASLT_MATMUL_PREF_IMPL_MASK, ~std::uint64_t{CUBLASLT_NUMERICAL_IMPL_FLAGS_TENSOR_OP_MASK});

    std::array<cublasLtMatmulHeuristicResult_t, kCandidates> results{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(cublas, operation_.get(), weight_.get(), x_.get(), y_.get(), y_.get(),
                                       preference.get(), kCandidates, results.data(), &count);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    check(status, card_);
    std::vector<cublasLtMatmulAlgo_t> ways;
    for (int i = 0; i < count; ++i) {
      if (results[static_cast<std::size_t>(i)].state == CUBLAS_STATUS_SUCCESS)
        ways.push_back(results[static_cast<std::size_t>(i)].algo);
    }
    return ways;
  }

  void run(cublasLtHandle_t cublas, const cublasLtMatmulAlgo_t& way, const void* weight, const void* x, void* y,
           void* workspace, cudaStream_t stream) const {
    const float one = 1, zero = 0;
    check(cublasLtMatmul(cublas, operation_.get(), &one, weight, weight_.get(), x, x_.get(), &zero, y, y_.get(), y,
                         y_.get(), &way, workspace, kWorkspaceBytes, stream),
          card_);
  }

 private:
  Layout layout(cudaDataType_t type, std::size_t rows, std::size_t columns) const {
    cublasLtMatrixLayout_t layout = nullptr;
    check(cublasLtMatrixLayoutCreate(&layout, type, rows, columns, static_cast<std::int64_t>(rows)), card_);
    return Layout(layout);
  }

  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    check(cublasLtMatmulDescSetAttribute(operation_.get(), attribute, &value, sizeof value), card_);
  }

  const std::string& card_;
  Layout weight_, x_, y_;
  Operation operation_;
};

// The best that keeps each sum in one piece and serves a single tile of rows as well as many. Those without a workspace
// come first: what needs one may meet there with others' parts of a sum.
cublasLtMatmulAlgo_t Products::choose(const Kind& kind, cublasLtHandle_t cublas) const {
  // An address that is aligned as they all are and no better, which is all that is read of it.
  alignas(256) static constexpr std::array<char, 2 * kAlignment> kPlace{};
  const void* bias = kPlace.data() + kAlignment;
  const Problem reference(kind, kReferenceRows, bias, card_), tile(kind, kRowTile, bias, card_);
  for (const std::size_t workspace : {std::size_t{0}, kWorkspaceBytes}) {
    for (const cublasLtMatmulAlgo_t& way : reference.ways(cublas, workspace, kind.numbers != Precision::f32)) {
      if (sums_in_one_piece(way, card_) && tile.fits(cublas, way)) return way;
    }
  }
  throw Error(card_,
              fmt::format("cuBLASLt has no product of {} by {} numbers of {} that keeps rows apart", kind.outputs,
                          kind.inputs, name_of(kind.numbers)),
              "take another --dtype, or --device cpu");
}

cublasLtMatmulAlgo_t Products::way_of(const Kind& kind, cublasLtHandle_t cublas) {
  const std::lock_guard lock(mutex_);
  const auto found = ways_.find(kind);
  return found != ways_.end() ? found->second : ways_.emplace(kind, choose(kind, cublas)).first->second;
}

void Products::run(const Product& product, cublasLtHandle_t cublas, void* workspace, cudaStream_t stream) {
  if (product.rows % kRowTile != 0) throw std::logic_error("a product's rows must be whole tiles");
  if (!is_aligned(product.x) || !is_aligned(product.weight) || !is_aligned(product.bias) || !is_aligned(product.y))
    throw std::logic_error("a product's operands must be aligned");
  if (product.rows == 0) return;
  const Kind kind{product.inputs, product.outputs, product.numbers, product.widen, product.bias != nullptr};
  const cublasLtMatmulAlgo_t way = way_of(kind, cublas);
  const Problem whole(kind, product.rows, product.bias, card_);
  if (whole.fits(cublas, way)) return whole.run(cublas, way, product.weight, product.x, product.y, workspace, stream);
  // The same way for the same bytes, in pieces that it is known to fit.
  const Problem tile(kind, kRowTile, product.bias, card_);
  const cudaDataType_t in = type_of(kind.numbers), out = kind.widen ? CUDA_R_32F : in;
  for (std::size_t row = 0; row < product.rows; row += kRowTile)
    tile.run(cublas, way, product.weight, static_cast<const char*>(product.x) + row * product.inputs * bytes_of(in),
             static_cast<char*>(product.y) + row * product.outputs * bytes_of(out), workspace, stream);
}

}  // namespace mt::cuda
