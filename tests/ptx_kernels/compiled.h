// The kernels as nvcc compiled them, run on the host from their PTX. What ptxas makes of that is not seen: it may still
// fuse a mul and an add, as may the driver.
#pragma once

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/cuda/activation.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/attention_f32.h"
#include "kernels/cuda/finite.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/pool.h"
#include "ptx/machine.h"

namespace mt::test {

// For the first architecture of the build and for the last; none, and a message, where there is no nvcc.
inline const std::vector<ptx::Program>& compiled_kernels() {
  static const std::vector<ptx::Program> programs = [] {
    std::vector<ptx::Program> read;
#if defined(MT_KERNELS_PTX)
    std::istringstream architectures(MT_KERNELS_ARCHITECTURES);
    for (std::string one; architectures >> one;) {
      std::ifstream file(MT_KERNELS_PTX + one + ".ptx");
      const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      read.push_back(ptx::parse(text));
      if (read.back().target != "sm_" + one)
        throw std::runtime_error("the PTX for " + one + " is for " + read.back().target);
    }
#endif
    return read;
  }();
  if (programs.empty()) MESSAGE("no CUDA toolkit: there is no PTX of the kernels to run");
  return programs;
}

// The part of a kernel's name, as compilers write it, that tells the type of its numbers.
template <class T>
constexpr const char* kMangled = std::is_same_v<T, float>      ? "f"
                                 : std::is_same_v<T, BFloat16> ? "NS_8BFloat16E"
                                                               : "NS_4HalfE";

// Which instructions have run so far.
inline std::map<const ptx::Entry*, std::vector<bool>>& executed_instructions() {
  static std::map<const ptx::Entry*, std::vector<bool>> executed;
  return executed;
}

template <class Call>
void run_compiled(const ptx::Program& program, const std::string& name, const cuda::Grid& grid, const Call& call,
                  ptx::GlobalMemory& memory) {
  const ptx::Entry& entry = program.entry(name);
  REQUIRE(entry.parameter_alignment == alignof(Call));
  const std::vector<bool> now = ptx::run(entry, grid, std::as_bytes(std::span(&call, 1)), memory);
  std::vector<bool>& before = executed_instructions()[&entry];
  before.resize(now.size());
  std::transform(now.begin(), now.end(), before.begin(), before.begin(), std::logical_or<>());
}

// As cuda/kernels.cu starts them.
inline void run_compiled(const ptx::Program& program, const cuda::NormCall& call, ptx::GlobalMemory& memory) {
  cuda::with_numbers(call.numbers, [&]<class T>(T) {
    run_compiled(program, std::string("4normI") + kMangled<T>, cuda::norm_grid(call), call, memory);
  });
}

inline void run_compiled(const ptx::Program& program, const cuda::ActivationCall& call, ptx::GlobalMemory& memory) {
  cuda::with_numbers(call.numbers, [&]<class T>(T) {
    run_compiled(program, std::string("8activateI") + kMangled<T>, cuda::activation_grid(call), call, memory);
  });
}

inline void run_compiled(const ptx::Program& program, const cuda::AttentionCall& call, ptx::GlobalMemory& memory) {
  cuda::with_head_size(call.head_size, [&](auto size) {
    constexpr unsigned head_size = decltype(size)::value;
    const std::string head = "ILj" + std::to_string(head_size) + "E";
    cuda::with_numbers(call.numbers, [&]<class T>(T) {
      if constexpr (std::is_same_v<T, float>)
        run_compiled(program, "10attend_f32" + head, cuda::float_attention_grid<head_size>(call), call, memory);
      else
        run_compiled(program, "6attend" + head + kMangled<T>, cuda::attention_grid<head_size>(call), call, memory);
    });
  });
}

inline void run_compiled(const ptx::Program& program, const cuda::PoolCall& call, ptx::GlobalMemory& memory) {
  run_compiled(program, "4poolE", cuda::pool_grid(call), call, memory);
}

inline void run_compiled(const ptx::Program& program, const cuda::FiniteCall& call, ptx::GlobalMemory& memory) {
  run_compiled(program, "12check_finiteE", cuda::finite_grid(call), call, memory);
}

}  // namespace mt::test
