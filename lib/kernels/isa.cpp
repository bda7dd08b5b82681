#include "kernels/isa.h"

#include "kernels/matmul.h"

namespace mt {

std::string_view name_of(Isa isa) {
  switch (isa) {
    case Isa::generic:
      return "generic";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::avx512_vnni:
      return "avx512_vnni";
    case Isa::avx512_bf16:
      return "avx512_bf16";
  }
  return "unknown";
}

namespace {

Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  Isa isa = Isa::generic;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isa = Isa::avx2;
  if (isa == Isa::avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    isa = Isa::avx512;
    if (__builtin_cpu_supports("avx512vnni")) isa = Isa::avx512_vnni;
    if (isa == Isa::avx512_vnni && __builtin_cpu_supports("avx512bf16")) isa = Isa::avx512_bf16;
  }
  const Isa allowed = onednn_isa();
  return isa < allowed ? isa : allowed;
#else
  return Isa::generic;
#endif
}

}  // namespace

Isa machine_isa() {
  static const Isa isa = detect();
  return isa;
}

bool bf16_pairs_are_slow() {
#if defined(__x86_64__)
  return machine_isa() == Isa::avx512_bf16 && __builtin_cpu_is("intel");
#else
  return false;
#endif
}

}  // namespace mt
