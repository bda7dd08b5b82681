#include "kernels/packed_product.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#if defined(__x86_64__)
#include "kernels/avx512.h"
#endif

namespace mt {

namespace {

constexpr std::size_t kRows = 6, kPanel = 64;  // 24 accumulators, 4 weight registers, 1 broadcast: 29 of 32 registers
constexpr std::size_t kLanes = 16;

// Elements of x in one 32-bit group.
std::size_t group_of(ProductType type) { return type == ProductType::f32 ? 1 : type == ProductType::bf16 ? 2 : 4; }

std::size_t padded(std::size_t outputs) { return (outputs + kPanel - 1) / kPanel * kPanel; }

#if defined(__x86_64__)

#define MT_TARGET "avx512f,avx512bw,avx512dq,avx512vl,fma,avx512bf16,avx512vnni"
#define MT_DOT __attribute__((target(MT_TARGET), always_inline)) inline
#define MT_PRODUCT __attribute__((target(MT_TARGET)))

struct F32 {
  MT_DOT static __m512i step(__m512i sum, __m512i x, __m512i w) {
    return _mm512_castps_si512(
        _mm512_fmadd_ps(_mm512_castsi512_ps(x), _mm512_castsi512_ps(w), _mm512_castsi512_ps(sum)));
  }
};
struct Bf16 {
  MT_DOT static __m512i step(__m512i sum, __m512i x, __m512i w) {
    return _mm512_castps_si512(_mm512_dpbf16_ps(_mm512_castsi512_ps(sum), (__m512bh)x, (__m512bh)w));
  }
};
struct Int8 {
  MT_DOT static __m512i step(__m512i sum, __m512i x, __m512i w) { return _mm512_dpbusd_epi32(sum, x, w); }
};

// tile [Rows][64] = x [Rows, groups] * panel [groups][64]. Prefetch brings the next panel into the second-level cache.
template <class Arithmetic, std::size_t Rows, bool Prefetch>
MT_PRODUCT void micro_kernel(std::size_t groups, const std::uint32_t* x, const std::uint32_t* panel,
                             std::uint32_t* tile) {
  __m512i sum[Rows][4];
#pragma GCC unroll 6
  for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) sum[i][j] = _mm512_setzero_si512();
  }
  const std::uint32_t* ahead = panel + groups * kPanel;
  for (std::size_t k = 0; k < groups; ++k) {
    __m512i w[4];
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) w[j] = _mm512_load_si512(panel + j * kLanes);
    if constexpr (Prefetch) {
#pragma GCC unroll 4
      for (std::size_t j = 0; j < 4; ++j) _mm_prefetch(reinterpret_cast<const char*>(ahead + j * kLanes), _MM_HINT_T1);
      ahead += kPanel;
    }
#pragma GCC unroll 6
    for (std::size_t i = 0; i < Rows; ++i) {
      const __m512i broadcast = _mm512_set1_epi32(static_cast<int>(x[i * groups + k]));
#pragma GCC unroll 4
      for (std::size_t j = 0; j < 4; ++j) sum[i][j] = Arithmetic::step(sum[i][j], broadcast, w[j]);
    }
    panel += kPanel;
  }
#pragma GCC unroll 6
  for (std::size_t i = 0; i < Rows; ++i) {
#pragma GCC unroll 4
    for (std::size_t j = 0; j < 4; ++j) _mm512_store_si512(tile + i * kPanel + j * kLanes, sum[i][j]);
  }
}

template <class Arithmetic, bool Prefetch>
MT_PRODUCT void micro_kernel_of(std::size_t rows, std::size_t groups, const std::uint32_t* x,
                                const std::uint32_t* panel, std::uint32_t* tile) {
  switch (rows) {
    case 6:
      return micro_kernel<Arithmetic, 6, Prefetch>(groups, x, panel, tile);
    case 5:
      return micro_kernel<Arithmetic, 5, Prefetch>(groups, x, panel, tile);
    case 4:
      return micro_kernel<Arithmetic, 4, Prefetch>(groups, x, panel, tile);
    case 3:
      return micro_kernel<Arithmetic, 3, Prefetch>(groups, x, panel, tile);
    case 2:
      return micro_kernel<Arithmetic, 2, Prefetch>(groups, x, panel, tile);
    default:
      return micro_kernel<Arithmetic, 1, Prefetch>(groups, x, panel, tile);
  }
}

struct Columns {
  const float *bias, *scales;
  const std::int32_t* corrections;
};

// One row of a tile on its way out: columns [0, count).
template <bool Integer, Epilogue::Activation Act, Epilogue::Output Out>
MT_AVX512 void finish_row(const std::uint32_t* sums, float row_scale, const Columns& columns, std::size_t count,
                          void* y) {
  for (std::size_t j = 0; j < count; j += kLanes) {
    const std::size_t left = count - j;
    const __mmask16 mask = left >= kLanes ? static_cast<__mmask16>(0xFFFF) : static_cast<__mmask16>((1U << left) - 1);
    __m512 v;
    if constexpr (Integer) {
      const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums + j), _mm512_load_si512(columns.corrections + j));
      const __m512 scale = _mm512_mul_ps(_mm512_load_ps(columns.scales + j), _mm512_set1_ps(row_scale));
      v = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), scale, _mm512_load_ps(columns.bias + j));
    } else {
      v = _mm512_add_ps(_mm512_castsi512_ps(_mm512_load_si512(sums + j)), _mm512_load_ps(columns.bias + j));
    }
    if constexpr (Act == Epilogue::Activation::gelu) v = avx512::gelu(v);
    if constexpr (Act == Epilogue::Activation::quick_gelu) v = avx512::quick_gelu(v);
    if constexpr (Out == Epilogue::Output::bf16) {
      _mm256_mask_storeu_epi16(static_cast<std::uint16_t*>(y) + j, mask, avx512::to_bf16(v));
    } else {
      float* out = static_cast<float*>(y) + j;
      if constexpr (Out == Epilogue::Output::add) v = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, out), v);
      _mm512_mask_storeu_ps(out, mask, v);
    }
  }
}

using FinishRow = void (*)(const std::uint32_t*, float, const Columns&, std::size_t, void*);

template <bool Integer, Epilogue::Activation Act>
FinishRow finish_with(Epilogue::Output output) {
  switch (output) {
    case Epilogue::Output::f32:
      return finish_row<Integer, Act, Epilogue::Output::f32>;
    case Epilogue::Output::bf16:
      return finish_row<Integer, Act, Epilogue::Output::bf16>;
    case Epilogue::Output::add:
      return finish_row<Integer, Act, Epilogue::Output::add>;
  }
  return nullptr;
}

template <bool Integer>
FinishRow finish_for(Epilogue epilogue) {
  switch (epilogue.activation) {
    case Epilogue::Activation::none:
      return finish_with<Integer, Epilogue::Activation::none>(epilogue.output);
    case Epilogue::Activation::gelu:
      return finish_with<Integer, Epilogue::Activation::gelu>(epilogue.output);
    case Epilogue::Activation::quick_gelu:
      return finish_with<Integer, Epilogue::Activation::quick_gelu>(epilogue.output);
  }
  return nullptr;
}

struct Job {
  const std::uint32_t *x, *weights;
  const float* row_scales;
  std::size_t rows, groups, outputs, element;
  Columns columns;
  char* y;
  std::size_t y_stride_bytes;
};

template <class Arithmetic>
MT_PRODUCT void run_job(const Job& job, FinishRow finish) {
  alignas(64) std::uint32_t tile[kRows * kPanel];
  const std::size_t panels = padded(job.outputs) / kPanel;
  for (std::size_t p = 0; p < panels; ++p) {
    const std::uint32_t* panel = job.weights + p * job.groups * kPanel;
    const std::size_t column = p * kPanel;
    const std::size_t count = job.outputs - column < kPanel ? job.outputs - column : kPanel;
    const Columns columns = {job.columns.bias + column, job.columns.scales + column, job.columns.corrections + column};
    for (std::size_t row = 0; row < job.rows; row += kRows) {
      const std::size_t rows = job.rows - row < kRows ? job.rows - row : kRows;
      char* y = job.y + row * job.y_stride_bytes + column * job.element;
      // The lines that this tile will be written to arrive while the tile is computed.
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t b = 0; b < count * job.element; b += 64)
          _mm_prefetch(y + i * job.y_stride_bytes + b, _MM_HINT_T0);
      }
      const std::uint32_t* x = job.x + row * job.groups;
      if (row == 0 && p + 1 < panels) {
        micro_kernel_of<Arithmetic, true>(rows, job.groups, x, panel, tile);
      } else {
        micro_kernel_of<Arithmetic, false>(rows, job.groups, x, panel, tile);
      }
      for (std::size_t i = 0; i < rows; ++i) {
        finish(tile + i * kPanel, job.row_scales != nullptr ? job.row_scales[row + i] : 1.0F, columns, count,
               y + i * job.y_stride_bytes);
      }
    }
  }
}

MT_AVX512_INLINE __m512 load16(const float* x) { return _mm512_loadu_ps(x); }
MT_AVX512_INLINE __m512 load16(const BFloat16* x) { return avx512::load_bf16(x); }

template <class T>
MT_AVX512 void quantise(const T* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales) {
  for (std::size_t r = 0; r < rows; ++r) {
    const T* row = x + r * columns;
    __m512 largest = _mm512_setzero_ps();
    __mmask16 nan = 0;  // the maximum forgets a NaN that is followed by a number
    for (std::size_t j = 0; j < columns; j += kLanes) {
      const __m512 v = load16(row + j);
      nan = static_cast<__mmask16>(nan | _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q));
      largest = _mm512_max_ps(largest, _mm512_abs_ps(v));
    }
    const float top = nan != 0 ? std::numeric_limits<float>::quiet_NaN() : _mm512_reduce_max_ps(largest);
    scales[r] = top / 127.0F;
    const __m512 inverse = _mm512_set1_ps(top > 0 ? 127.0F / top : 0.0F);
    for (std::size_t j = 0; j < columns; j += kLanes) {
      const __m512i value = _mm512_cvtps_epi32(_mm512_mul_ps(load16(row + j), inverse));
      const __m128i bytes = _mm512_cvtsepi32_epi8(value);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + r * columns + j), _mm_xor_si128(bytes, _mm_set1_epi8(-128)));
    }
  }
}

#else

[[noreturn]] void not_here() { throw std::logic_error("packed products are not supported on this machine"); }

#endif

}  // namespace

bool PackedProduct::supported([[maybe_unused]] ProductType type) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool base = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("fma");
  switch (type) {
    case ProductType::f32:
      return base;
    case ProductType::bf16:
      return base && __builtin_cpu_supports("avx512bf16");
    case ProductType::int8:
      return base && __builtin_cpu_supports("avx512vnni");
  }
#endif
  return false;
}

PackedProduct::PackedProduct(ProductType type, const Tensor& weight, std::span<const float> bias)
    : type_(type), inputs_(weight.columns()), outputs_(weight.rows()) {
  const std::size_t group = group_of(type), columns = padded(outputs_);
  if (inputs_ % group != 0) throw std::logic_error("PackedProduct: inputs do not divide into 32-bit groups");
  const std::size_t groups = inputs_ / group;
  packed_ = Tensor(DType::u8, {columns / kPanel, groups, kPanel, 4});
  bias_ = Tensor(DType::f32, {columns});
  std::copy(bias.begin(), bias.end(), bias_.as<float>().begin());
  scales_ = Tensor(DType::f32, {columns});
  corrections_ = Tensor(DType::i32, {columns});

  std::uint8_t* out = packed_.as<std::uint8_t>().data();
  for (std::size_t n = 0; n < outputs_; ++n) {
    const float* row = weight.as<float>().data() + n * inputs_;
    std::uint8_t* lane = out + ((n / kPanel) * groups * kPanel + n % kPanel) * 4;
    if (type == ProductType::f32) {
      for (std::size_t k = 0; k < inputs_; ++k) std::memcpy(lane + k * kPanel * 4, row + k, sizeof(float));
    } else if (type == ProductType::bf16) {
      for (std::size_t k = 0; k < inputs_; ++k) {
        const BFloat16 value = to_bfloat16(row[k]);
        std::memcpy(lane + k / 2 * kPanel * 4 + k % 2 * 2, &value, sizeof value);
      }
    } else {
      float top = 0;
      for (std::size_t k = 0; k < inputs_; ++k) top = std::max(top, std::fabs(row[k]));
      const float inverse = top > 0 ? 127.0F / top : 0.0F;
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < inputs_; ++k) {
        const auto value = static_cast<std::int8_t>(std::lrint(row[k] * inverse));
        std::memcpy(lane + k / 4 * kPanel * 4 + k % 4, &value, sizeof value);
        sum += value;
      }
      scales_.as<float>()[n] = top / 127.0F;
      corrections_.as<std::int32_t>()[n] = 128 * sum;
    }
  }
}

void PackedProduct::run([[maybe_unused]] const void* x, [[maybe_unused]] const float* row_scales,
                        [[maybe_unused]] std::size_t rows, [[maybe_unused]] Epilogue epilogue, [[maybe_unused]] void* y,
                        [[maybe_unused]] std::size_t y_stride) const {
#if defined(__x86_64__)
  const std::size_t element = epilogue.output == Epilogue::Output::bf16 ? sizeof(BFloat16) : sizeof(float);
  const Job job = {static_cast<const std::uint32_t*>(x),
                   reinterpret_cast<const std::uint32_t*>(packed_.data()),
                   row_scales,
                   rows,
                   inputs_ / group_of(type_),
                   outputs_,
                   element,
                   {bias_.as<float>().data(), scales_.as<float>().data(), corrections_.as<std::int32_t>().data()},
                   static_cast<char*>(y),
                   y_stride * element};
  switch (type_) {
    case ProductType::f32:
      return run_job<F32>(job, finish_for<false>(epilogue));
    case ProductType::bf16:
      return run_job<Bf16>(job, finish_for<false>(epilogue));
    case ProductType::int8:
      return run_job<Int8>(job, finish_for<true>(epilogue));
  }
#else
  not_here();
#endif
}

#if defined(__x86_64__)
void quantise_rows(const float* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales) {
  quantise(x, rows, columns, q, scales);
}
void quantise_rows(const BFloat16* x, std::size_t rows, std::size_t columns, std::uint8_t* q, float* scales) {
  quantise(x, rows, columns, q, scales);
}
#else
void quantise_rows(const float*, std::size_t, std::size_t, std::uint8_t*, float*) { not_here(); }
void quantise_rows(const BFloat16*, std::size_t, std::size_t, std::uint8_t*, float*) { not_here(); }
#endif

}  // namespace mt
