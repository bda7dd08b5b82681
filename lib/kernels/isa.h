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

}  // namespace mt
