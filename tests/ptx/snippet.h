// Some lines of PTX, run as a kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ptx/machine.h"

namespace mt::test {

struct Snippet {
  std::string lines;
  unsigned threads = 32;
  std::size_t shared_bytes = 256;
  std::vector<std::uint32_t> input{};
};

// The lines find the thread's number in %tid, the address of its word of shared memory in %mine and that of the input
// in %in; predicates %p, words %r and %f, %d of 64 bits are theirs. What they leave in %result is returned, by thread.
inline std::vector<std::uint32_t> run(const Snippet& snippet) {
  const std::string text = R"(
    .version 9.0
    .target sm_90
    .address_size 64
    .extern .shared .align 16 .b8 memory[];
    .entry snippet(.param .align 8 .b8 parameters[16])
    .maxntid 1024, 1, 1
    {
      .reg .pred %p<8>;
      .reg .b16 %h<8>;
      .reg .b32 %r<32>, %tid, %mine, %result;
      .reg .f32 %f<8>;
      .reg .b64 %d<8>, %in, %out;
      ld.param.u64 %in, [parameters];
      ld.param.u64 %out, [parameters+8];
      mov.u32 %tid, %tid.x;
      mul.wide.u32 %d0, %tid, 4;
      add.s64 %out, %out, %d0;
      mov.u32 %mine, memory;
      mad.lo.s32 %mine, %tid, 4, %mine;
  )" + snippet.lines + R"(
      st.global.u32 [%out], %result;
      ret;
    }
  )";
  std::vector<std::uint32_t> output(snippet.threads);
  ptx::GlobalMemory memory;
  struct {
    const std::uint32_t* input;
    std::uint32_t* output;
  } const parameters{memory.input(snippet.input), memory.output(output)};
  const ptx::Program program = ptx::parse(text);
  ptx::run(program.entry("snippet"), {1, 1, snippet.threads, snippet.shared_bytes},
           std::as_bytes(std::span(&parameters, 1)), memory);
  return output;
}

}  // namespace mt::test
