// Products through oneDNN: the only file that knows its API (2.6 and 3.x). The general path for machines for which our
// own kernels (kernels.h) are compiled for the baseline only, and for products that change at every call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "kernels/isa.h"
#include "kernels/kernels.h"

namespace mt {

// What oneDNN would use, as the nearest of our levels. Reads ONEDNN_MAX_CPU_ISA, once.
Isa onednn_isa();

// Of the library that was loaded: "2.6.0".
std::string onednn_version();

// Throws logic_error when oneDNN's name of an implementation (impl_info_str) is that of a reference one: right, and
// thousands of times slower. Every plan is checked.
void require_no_reference(std::string_view implementation);

// y = finish(a w + bias) with weights packed once. Works on tiles of a fixed number of rows (the last one padded), so
// that a row's bytes do not depend on how many rows there are. Any number of threads may run one object at once.
class Matmul {
 public:
  // weights: [columns, depth] (as PyTorch stores a linear layer), bias: [columns]; both are copied.
  // Throws logic_error when oneDNN has only a reference implementation.
  Matmul(const float* weights, const float* bias, std::size_t depth, std::size_t columns, Finish finish);
  ~Matmul();
  Matmul(Matmul&&) noexcept;
  Matmul& operator=(Matmul&&) noexcept;

  // a: [rows, depth], rows a_stride apart; y: [rows, columns], rows y_stride apart.
  void run(const float* a, std::size_t a_stride, std::size_t rows, float* y, std::size_t y_stride) const;

  std::string_view implementation() const;  // oneDNN's name of it

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// c = op(a) op(b), or c += when accumulate: float32, row-major, tightly packed; c is [m, n], the inner size is k.
// a is [m, k], or [k, m] when transpose_a; b is [k, n], or [n, k] when transpose_b. One thread.
void matmul(const float* a, bool transpose_a, const float* b, bool transpose_b, float* c, std::size_t m, std::size_t n,
            std::size_t k, bool accumulate = false);

}  // namespace mt
