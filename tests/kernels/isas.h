// The kernels of all instruction sets that this machine runs, so that a test covers each.
#pragma once

#include <vector>

#include "kernels/kernels.h"

namespace mt::test {

inline std::vector<const Kernels*> kernels_of_machine() {
  std::vector<const Kernels*> all;
  for (const Isa isa : {Isa::generic, Isa::avx2, Isa::avx512, Isa::avx512_vnni, Isa::avx512_bf16}) {
    if (isa <= machine_isa()) all.push_back(&kernels_of(isa));
  }
  if (machine_isa() >= Isa::avx512_vnni) all.push_back(&widening_kernels());
  return all;
}

}  // namespace mt::test
