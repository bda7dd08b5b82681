#include "limits.h"

#include <cstring>
#include <vector>

#include <fmt/format.h>

#include "encoder/encoder.h"

namespace mt::bench {

namespace {

struct Instruction {
  void (*run)() = nullptr;  // kRounds * accumulators of them
  double operations = 0;    // of one run
};

constexpr long kRounds = 200000;

#if defined(__x86_64__)

// Assembly, so that nothing but the instructions in question is measured: sums 0 to 23 (13 with sixteen registers), all
// factors zero, each sum independent of the others.
#define MT_ONE(ins, r, k) ins " %%" r "30, %%" r "31, %%" r #k "\n"
#define MT_SIX(ins, r, a, b, c, d, e, f) \
  MT_ONE(ins, r, a) MT_ONE(ins, r, b) MT_ONE(ins, r, c) MT_ONE(ins, r, d) MT_ONE(ins, r, e) MT_ONE(ins, r, f)
#define MT_PEAK_512(name, ins)                                                                                        \
  [[gnu::target("avx512f")]] void name() {                                                                            \
    long rounds = kRounds;                                                                                            \
    asm volatile(                                                                                                     \
        "vpxord %%zmm30, %%zmm30, %%zmm30\n vpxord %%zmm31, %%zmm31, %%zmm31\n"                                       \
        "1:\n" MT_SIX(ins, "zmm", 0, 1, 2, 3, 4, 5) MT_SIX(ins, "zmm", 6, 7, 8, 9, 10, 11)                            \
            MT_SIX(ins, "zmm", 12, 13, 14, 15, 16, 17) MT_SIX(ins, "zmm", 18, 19, 20, 21, 22, 23) "dec %0\n jnz 1b"   \
        : "+r"(rounds)                                                                                                \
        :                                                                                                             \
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11",     \
          "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", \
          "xmm30", "xmm31");                                                                                          \
  }
MT_PEAK_512(fma_512, "vfmadd231ps")
MT_PEAK_512(bf16_512, "vdpbf16ps")
MT_PEAK_512(int8_512, "vpdpbusd")

#define MT_LOW(ins, k) ins " %%ymm12, %%ymm13, %%ymm" #k "\n"
void fma_256() {
  long rounds = kRounds;
  asm volatile(
      "vxorps %%ymm12, %%ymm12, %%ymm12\n vxorps %%ymm13, %%ymm13, %%ymm13\n"
      "1:\n" MT_LOW("vfmadd231ps", 0) MT_LOW("vfmadd231ps", 1) MT_LOW("vfmadd231ps", 2) MT_LOW("vfmadd231ps", 3)
          MT_LOW("vfmadd231ps", 4) MT_LOW("vfmadd231ps", 5) MT_LOW("vfmadd231ps", 6) MT_LOW("vfmadd231ps", 7)
              MT_LOW("vfmadd231ps", 8) MT_LOW("vfmadd231ps", 9) MT_LOW("vfmadd231ps", 10)
                  MT_LOW("vfmadd231ps", 11) "dec %0\n jnz 1b"
      : "+r"(rounds)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13");
}

Instruction instruction_of(Precision precision) {
  const Isa isa = machine_isa();
  const double n = kRounds;
  switch (precision) {
    case Precision::f32:
      if (isa >= Isa::avx512) return {fma_512, n * 24 * 32};
      if (isa == Isa::avx2) return {fma_256, n * 12 * 16};
      return {};
    case Precision::bf16:
      return isa >= Isa::avx512_bf16 ? Instruction{bf16_512, n * 24 * 64} : Instruction{};
    case Precision::int8:
      return isa >= Isa::avx512_vnni ? Instruction{int8_512, n * 24 * 128} : Instruction{};
    case Precision::f16:
      return {};
  }
  return {};
}

#else

Instruction instruction_of(Precision) { return {}; }

#endif

}  // namespace

std::optional<double> instruction_peak(Precision precision, std::size_t threads, Clock clock) {
  const Instruction instruction = instruction_of(precision);
  if (instruction.run == nullptr) return std::nullopt;
  Settings brief;
  brief.clock = clock;
  brief.seconds = 0.02;
  const double seconds = seconds_of(brief, threads, [&](std::size_t) { instruction.run(); });
  return static_cast<double>(threads) * instruction.operations / seconds * 1e-9;
}

Against against_peak(const Settings& settings, Precision precision, std::size_t threads, double operations,
                     const std::function<void(std::size_t)>& work) {
  const auto before = instruction_peak(precision, threads, settings.clock);
  const double seconds = seconds_of(settings, threads, work);
  const auto after = instruction_peak(precision, threads, settings.clock);
  Against result;
  result.rate = static_cast<double>(threads) * operations / seconds * 1e-9;
  if (before && after) result.peak = (*before + *after) / 2;
  return result;
}

double copy_rate(const Settings& settings, std::size_t threads, std::size_t bytes) {
  std::vector<std::vector<char>> from(threads), to(threads);
  for (std::size_t i = 0; i < threads; ++i) {
    from[i].assign(bytes, 1);
    to[i].assign(bytes, 2);
  }
  const double seconds =
      seconds_of(settings, threads, [&](std::size_t i) { std::memcpy(to[i].data(), from[i].data(), bytes); });
  return 2 * static_cast<double>(threads * bytes) / seconds * 1e-9;
}

void measure_limits(const Settings& settings, Table& table) {
  for (const std::size_t threads : settings.threads) {
    for (const Precision precision : settings.precisions) {
      const auto peak = instruction_peak(precision, threads, settings.clock);
      if (peak)
        table.add(
            {"limits", fmt::format("instruction peak {}", name_of(precision)), threads, *peak, "GFLOP/s", {}, {}, ""});
    }
    const double rate = copy_rate(settings, threads, std::size_t{256} << 20);
    table.add({"limits", "memory, copy of 256 MiB", threads, rate, "GB/s", {}, {}, "bytes read and written"});
  }
}

}  // namespace mt::bench
