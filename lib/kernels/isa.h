// Which instruction set the kernels use, decided once at run time.
#pragma once

#include <cstdint>
#include <string_view>

namespace mt {

// Levels for which kernels are compiled, each including those before it. generic is what the compiler makes of plain
// C++ for the baseline (SSE2 on x86-64, NEON on arm64).
enum class Isa : std::uint8_t { generic, avx2, avx512, avx512_vnni, avx512_bf16 };

std::string_view name_of(Isa isa);

// The highest level that this machine runs. ONEDNN_MAX_CPU_ISA lowers it: one switch for oneDNN and for our kernels.
Isa machine_isa();

// Is the level avx512_bf16, on a processor whose vdpbf16ps takes longer than two FMAs? Intel's does: one in two cycles
// against two FMAs a cycle (measured on Emerald Rapids: 87 and 180 GFLOP/s), AMD's Zen 4 does not.
bool bf16_pairs_are_slow();

}  // namespace mt
