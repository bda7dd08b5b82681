// cuBLASLt's descriptors and calls.
#include <cstring>

#include "fake_products.h"

struct cublasLtContext {
  int card = 0;
};

namespace mt::fake {

namespace {

constexpr const char *kHandle = "cuBLASLt handle", *kLayout = "matrix layout", *kOperation = "matmul descriptor",
                     *kPreference = "matmul preference";

// A call that touches no card.
template <class Act>
cublasStatus_t host_call(Act&& act) {
  const cublasStatus_t failed = enter_cublas();
  return failed != CUBLAS_STATUS_SUCCESS ? failed : act();
}

template <class T, class Handle>
T& of(Handle handle, const char* kind) {
  require_made(handle, kind);
  return *reinterpret_cast<T*>(handle);
}

template <class T, class Handle>
cublasStatus_t make(Handle* handle, T value, const char* kind) {
  *handle = reinterpret_cast<Handle>(new T(value));
  made(*handle, kind);
  return CUBLAS_STATUS_SUCCESS;
}

template <class T, class Handle>
cublasStatus_t destroy(Handle handle, const char* kind) {
  return host_call([&] {
    ended(handle, kind);
    delete reinterpret_cast<T*>(handle);
    return CUBLAS_STATUS_SUCCESS;
  });
}

template <class T>
cublasStatus_t set(T& field, const void* value, std::size_t bytes) {
  if (value == nullptr || bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&field, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t get(const T& field, void* value, std::size_t bytes, std::size_t* written) {
  if (value == nullptr || bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(value, &field, bytes);
  if (written != nullptr) *written = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

Problem problem_of(cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                   cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d) {
  return {of<Operation>(operation, kOperation), of<Layout>(a, kLayout), of<Layout>(b, kLayout), of<Layout>(c, kLayout),
          of<Layout>(d, kLayout)};
}

// A handle belongs to the card that was current when it was made.
void require_own_card(cublasLtHandle_t handle, const char* function) {
  require_made(handle, kHandle);
  if (handle->card != current_card()) violation(std::string(function) + ": a handle of another card than the current");
}

Way way_in(const cublasLtMatmulAlgo_t& algorithm) {
  Way way;
  std::memcpy(static_cast<void*>(&way), &algorithm, sizeof way);
  return way;
}

cublasLtMatmulHeuristicResult_t result_of(const Way& way) {
  cublasLtMatmulHeuristicResult_t result{};
  std::memcpy(&result.algo, &way, sizeof way);
  result.workspaceSize = way.workspace;
  result.state = CUBLAS_STATUS_SUCCESS;
  result.wavesCount = 1;
  return result;
}

void require_aligned(const void* address, std::size_t alignment, const char* what) {
  if (reinterpret_cast<std::uintptr_t>(address) % alignment != 0)
    violation(std::string("cublasLtMatmul: ") + what + " is not aligned as the algorithm needs");
}

cublasStatus_t multiply(const Problem& problem, const Way& way, const Operands& operands, void* workspace,
                        std::size_t workspace_bytes, cudaStream_t stream) {
  if (const cublasStatus_t status = check(problem); status != CUBLAS_STATUS_SUCCESS) return status;
  if (const cublasStatus_t status = check(problem, way); status != CUBLAS_STATUS_SUCCESS) return status;
  if (way.workspace > workspace_bytes) return CUBLAS_STATUS_INVALID_VALUE;
  const int card = card_of(stream);
  if (card != current_card()) violation("cublasLtMatmul: a stream of another card than the current");
  for (const void* operand : {operands.a, operands.b, operands.c, static_cast<const void*>(operands.d)})
    require_aligned(operand, way.alignment, "an operand");
  require_aligned(workspace, 256, "the workspace");
  Step step{"cublasLtMatmul",
            {{operands.a, extent_of(problem.a), card},
             {operands.b, extent_of(problem.b), card},
             {operands.c, extent_of(problem.c), card},
             {operands.d, extent_of(problem.d), card},
             {workspace, workspace_bytes, card}},
            [=] {
              std::memset(workspace, 0xFF, way.workspace);
              multiply(problem, way, operands);
            }};
  if (problem.operation.has_bias()) {
    require_aligned(problem.operation.bias, 16, "the bias");
    if (problem.operation.bias == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    step.ranges.push_back({problem.operation.bias, problem.m() * bytes_of(problem.bias_type()), card});
  }
  return queue(stream, std::move(step)) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // namespace

}  // namespace mt::fake

using namespace mt::fake;

std::size_t cublasLtGetVersion() { return CUBLAS_VERSION; }

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    default:
      return "another status";
  }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return host_call([&] {
    if (loss_of(current_card()) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
    return make(handle, cublasLtContext{current_card()}, kHandle);
  });
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy<cublasLtContext>(handle, kHandle); }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t leading) {
  return host_call([&] { return make(layout, Layout{type, rows, columns, leading}, kLayout); });
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return destroy<Layout>(layout, kLayout); }

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  return host_call([&] {
    Operation made;
    made.compute = compute;
    made.scale = scale;
    return make(operation, made, kOperation);
  });
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  return destroy<Operation>(operation, kOperation);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  return host_call([&] {
    auto& operation = of<Operation>(handle, kOperation);
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_TRANSA:
        return set(operation.turn_a, value, bytes);
      case CUBLASLT_MATMUL_DESC_TRANSB:
        return set(operation.turn_b, value, bytes);
      case CUBLASLT_MATMUL_DESC_EPILOGUE:
        return set(operation.epilogue, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        return set(operation.bias, value, bytes);
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        return set(operation.bias_type, value, bytes);
      default:
        violation("an attribute of products that the fake does not know");
    }
  });
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return host_call([&] { return make(preference, Preference{}, kPreference); });
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy<Preference>(preference, kPreference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    std::size_t bytes) {
  return host_call([&] {
    auto& preference = of<Preference>(handle, kPreference);
    switch (attribute) {
      case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
        return set(preference.workspace, value, bytes);
      case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
        return set(preference.reductions, value, bytes);
      case CUBLASLT_MATMUL_PREF_IMPL_MASK:
        return set(preference.implementations, value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
        return set(preference.alignments[0], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
        return set(preference.alignments[1], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
        return set(preference.alignments[2], value, bytes);
      case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
        return set(preference.alignments[3], value, bytes);
      default:
        violation("a preference that the fake does not know");
    }
  });
}

// The first result of a full answer is one that did not work out.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t cublas, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* count) {
  return host_call([&] {
    *count = 0;
    require_own_card(cublas, "cublasLtMatmulAlgoGetHeuristic");
    if (requested <= 0) return CUBLAS_STATUS_INVALID_VALUE;
    const Problem problem = problem_of(operation, a, b, c, d);
    if (const cublasStatus_t status = check(problem); status != CUBLAS_STATUS_SUCCESS) return status;
    const auto found = ways(problem, of<Preference>(preference, kPreference));
    if (found.empty()) return CUBLAS_STATUS_NOT_SUPPORTED;
    results[*count] = {};
    results[(*count)++].state = CUBLAS_STATUS_NOT_SUPPORTED;
    for (const Way& way : found) {
      if (*count < requested) results[(*count)++] = result_of(way);
    }
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t cublas, cublasLtMatmulDesc_t operation,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                       cublasLtMatrixLayout_t d, const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* result) {
  return host_call([&] {
    require_own_card(cublas, "cublasLtMatmulAlgoCheck");
    if (settings().fail_checks) return CUBLAS_STATUS_INTERNAL_ERROR;
    const Problem problem = problem_of(operation, a, b, c, d);
    const Way way = way_in(*algorithm);
    if (const cublasStatus_t status = check(problem); status != CUBLAS_STATUS_SUCCESS) return status;
    if (const cublasStatus_t status = check(problem, way); status != CUBLAS_STATUS_SUCCESS) return status;
    *result = result_of(way);
    return CUBLAS_STATUS_SUCCESS;
  });
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void* value,
                                                    std::size_t bytes, std::size_t* written) {
  return host_call([&] {
    const Way way = way_in(*algorithm);
    if (way.mark != Way::kMark) violation("cuBLASLt: an algorithm that no heuristic has given");
    if (attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM) return get(way.parts, value, bytes, written);
    if (attribute == CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) return get(way.reduction, value, bytes, written);
    violation("an attribute of algorithms that the fake does not know");
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t cublas, cublasLtMatmulDesc_t operation, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  return host_call([&] {
    require_own_card(cublas, "cublasLtMatmul");
    if (loss_of(current_card()) != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
    if (algorithm == nullptr) violation("cublasLtMatmul: it is left to cuBLASLt which algorithm it takes");
    if (alpha == nullptr || beta == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
    const Operands operands{a, b, c, d, *static_cast<const float*>(alpha), *static_cast<const float*>(beta)};
    return multiply(problem_of(operation, a_layout, b_layout, c_layout, d_layout), way_in(*algorithm), operands,
                    workspace, workspace_bytes, stream);
  });
}
