#include "kernels/matmul.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <omp.h>
#include <dnnl.hpp>

namespace mt {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;
constexpr auto kFloat = memory::data_type::f32;

// Rows of one execution. Large enough that reading the packed weights again is hidden, small enough to pad.
constexpr std::size_t kTileRows = 64;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

// Our workers are the threads: within one, oneDNN's OpenMP loops run alone.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

memory::desc matrix(std::size_t rows, std::size_t columns, Tag tag) {
  return {{static_cast<memory::dim>(rows), static_cast<memory::dim>(columns)}, kFloat, tag};
}

void append_eltwise(dnnl::post_ops& operations, dnnl::algorithm algorithm, float alpha) {
#if DNNL_VERSION_MAJOR >= 3
  operations.append_eltwise(algorithm, alpha, 0);
#else
  operations.append_eltwise(1, algorithm, alpha, 0);
#endif
}

dnnl::matmul::primitive_desc plan(const memory::desc& a, const memory::desc& b, const memory::desc* bias,
                                  const memory::desc& c, const dnnl::post_ops& operations) {
  dnnl::primitive_attr attributes;
  attributes.set_post_ops(operations);
  // The default scratchpad belongs to the primitive: two threads that execute it at once would share it.
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
#if DNNL_VERSION_MAJOR >= 3
  dnnl::matmul::primitive_desc planned = bias != nullptr
                                             ? dnnl::matmul::primitive_desc(engine(), a, b, *bias, c, attributes)
                                             : dnnl::matmul::primitive_desc(engine(), a, b, c, attributes);
#else
  const dnnl::matmul::desc description =
      bias != nullptr ? dnnl::matmul::desc(a, b, *bias, c) : dnnl::matmul::desc(a, b, c);
  dnnl::matmul::primitive_desc planned(description, attributes, engine());
#endif
  require_no_reference(planned.impl_info_str());
  return planned;
}

// Scratchpads of the calling thread, reused between calls.
void* scratch_of_thread(std::size_t bytes) {
  thread_local std::vector<std::byte> buffer;
  if (buffer.size() < bytes + 64) buffer.resize(bytes + 64);
  const auto address = reinterpret_cast<std::uintptr_t>(buffer.data());
  return buffer.data() + (64 - address % 64) % 64;
}

}  // namespace

// "ref:any" and the like; "gemm:..." names products that are done by a library.
void require_no_reference(std::string_view implementation) {
  if (!implementation.starts_with("ref")) return;
  throw std::logic_error("matmul: oneDNN chose a reference implementation (" + std::string(implementation) + ")");
}

Isa onednn_isa() {
  const auto value = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto has = [&](dnnl::cpu_isa isa) {
    return (value & static_cast<unsigned>(isa)) == static_cast<unsigned>(isa);
  };
  if (has(dnnl::cpu_isa::avx512_core_bf16)) return Isa::avx512_bf16;
  if (has(dnnl::cpu_isa::avx512_core_vnni)) return Isa::avx512_vnni;
  if (has(dnnl::cpu_isa::avx512_core)) return Isa::avx512;
  if (has(dnnl::cpu_isa::avx2)) return Isa::avx2;
  return Isa::generic;
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

struct Matmul::State {
  std::size_t depth = 0, columns = 0;
  memory::desc a, y;
  dnnl::matmul primitive;
  std::string implementation;
  std::size_t scratch_bytes = 0;
  memory::desc scratch;
  memory weights, bias;

  void execute(const float* input, float* output) const {
    const OneThread alone;
    dnnl::stream stream(engine());
    const memory in(a, engine(), const_cast<float*>(input)), out(y, engine(), output);
    std::unordered_map<int, memory> arguments{
        {DNNL_ARG_SRC, in}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_BIAS, bias}, {DNNL_ARG_DST, out}};
    if (scratch_bytes > 0) arguments[DNNL_ARG_SCRATCHPAD] = memory(scratch, engine(), scratch_of_thread(scratch_bytes));
    primitive.execute(stream, arguments);
    stream.wait();
  }
};

Matmul::Matmul(const float* weights, const float* bias, std::size_t depth, std::size_t columns, Finish finish)
    : state_(new State) {
  const OneThread alone;
  dnnl::post_ops operations;
  switch (finish) {
    case Finish::bias:
      break;
    case Finish::bias_gelu:
      append_eltwise(operations, dnnl::algorithm::eltwise_gelu_erf, 0);
      break;
    case Finish::bias_quick_gelu:
      append_eltwise(operations, dnnl::algorithm::eltwise_swish, 1.702f);
      break;
    case Finish::bias_add:
      operations.append_sum(1);
      break;
  }
  State& s = *state_;
  s.depth = depth;
  s.columns = columns;
  s.a = matrix(kTileRows, depth, Tag::ab);
  s.y = matrix(kTileRows, columns, Tag::ab);
  const memory::desc bias_shape = matrix(1, columns, Tag::ab);
  const auto planned = plan(s.a, matrix(depth, columns, Tag::any), &bias_shape, s.y, operations);
  s.primitive = dnnl::matmul(planned);
  s.implementation = planned.impl_info_str();
  s.scratch = planned.scratchpad_desc();
  s.scratch_bytes = s.scratch.get_size();

  dnnl::stream stream(engine());
  memory plain(matrix(depth, columns, Tag::ba), engine(), const_cast<float*>(weights));
  s.weights = memory(planned.weights_desc(), engine());
  dnnl::reorder(plain, s.weights).execute(stream, plain, s.weights);
  s.bias = memory(bias_shape, engine());
  std::memcpy(s.bias.get_data_handle(), bias, columns * sizeof(float));
  stream.wait();
}

std::string_view Matmul::implementation() const { return state_->implementation; }

Matmul::~Matmul() = default;
Matmul::Matmul(Matmul&&) noexcept = default;
Matmul& Matmul::operator=(Matmul&&) noexcept = default;

void Matmul::run(const float* a, std::size_t a_stride, std::size_t rows, float* y, std::size_t y_stride) const {
  const State& s = *state_;
  std::vector<float> input, output;
  for (std::size_t row = 0; row < rows; row += kTileRows) {
    const std::size_t n = std::min(kTileRows, rows - row);
    if (n == kTileRows && a_stride == s.depth && y_stride == s.columns) {
      s.execute(a + row * a_stride, y + row * y_stride);
      continue;
    }
    input.assign(kTileRows * s.depth, 0);
    output.assign(kTileRows * s.columns, 0);
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(a + (row + i) * a_stride, s.depth, input.data() + i * s.depth);
      std::copy_n(y + (row + i) * y_stride, s.columns, output.data() + i * s.columns);
    }
    s.execute(input.data(), output.data());
    for (std::size_t i = 0; i < n; ++i) std::copy_n(output.data() + i * s.columns, s.columns, y + (row + i) * y_stride);
  }
}

void matmul(const float* a, bool transpose_a, const float* b, bool transpose_b, float* c, std::size_t m, std::size_t n,
            std::size_t k, bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate) std::fill_n(c, m * n, 0.0f);
    return;
  }
  const OneThread alone;
  dnnl::post_ops operations;
  if (accumulate) operations.append_sum(1);
  const memory::desc a_shape = matrix(m, k, transpose_a ? Tag::ba : Tag::ab);
  const memory::desc b_shape = matrix(k, n, transpose_b ? Tag::ba : Tag::ab);
  const memory::desc c_shape = matrix(m, n, Tag::ab);
  // oneDNN keeps the primitives of the last shapes, so that making one again costs microseconds.
  const auto planned = plan(a_shape, b_shape, nullptr, c_shape, operations);
  dnnl::stream stream(engine());
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(a_shape, engine(), const_cast<float*>(a))},
                                            {DNNL_ARG_WEIGHTS, memory(b_shape, engine(), const_cast<float*>(b))},
                                            {DNNL_ARG_DST, memory(c_shape, engine(), c)}};
  const memory::desc scratch = planned.scratchpad_desc();
  if (scratch.get_size() > 0) {
    arguments[DNNL_ARG_SCRATCHPAD] = memory(scratch, engine(), scratch_of_thread(scratch.get_size()));
  }
  dnnl::matmul(planned).execute(stream, arguments);
  stream.wait();
}

}  // namespace mt
