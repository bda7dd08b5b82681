// The interpreter itself, on a few lines at a time.
#include "ptx/machine.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <stdexcept>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "ptx/snippet.h"

using namespace mt;
using mt::test::run;

namespace {

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

// What one instruction makes of words; kinds: the register of its result, then those of its sources.
std::uint32_t result_of(const std::string& instruction, const std::string& kinds, std::vector<std::uint32_t> words) {
  std::string loads, operands = fmt::format("%{}0", kinds[0]);
  for (std::size_t i = 1; i <= words.size(); ++i) {
    loads += fmt::format("ld.global.u32 %r{}, [%in+{}];\n", 10 + i, 4 * (i - 1));
    if (kinds[i] == 'p')
      loads += fmt::format("setp.ne.u32 %p{}, %r{}, 0;\n", i, 10 + i);
    else if (kinds[i] == 'h')
      loads += fmt::format("cvt.u16.u32 %h{}, %r{};\n", i, 10 + i);
    else
      loads += fmt::format("mov.b32 %{}{}, %r{};\n", kinds[i], i, 10 + i);
    operands += fmt::format(", %{}{}", kinds[i], i);
  }
  std::string store = fmt::format("mov.b32 %result, %{}0;", kinds[0]);
  if (kinds[0] == 'p') store = "selp.u32 %result, 1, 0, %p0;";
  if (kinds[0] == 'h') store = "cvt.u32.u16 %result, %h0;";
  return run({loads + instruction + " " + operands + ";\n" + store, 1, 0, std::move(words)})[0];
}

}  // namespace

TEST_CASE("ptx arithmetic: integers wrap, and shifts by more than all bits give 0") {
  CHECK(result_of("add.s32", "rrr", {0xFFFFFFFF, 2}) == 1);
  CHECK(result_of("sub.s32", "rrr", {1, 2}) == 0xFFFFFFFF);
  CHECK(result_of("mad.lo.s32", "rrrr", {0x80000001, 4, 3}) == 7);
  CHECK(result_of("shl.b32", "rrr", {3, 31}) == 0x80000000);
  CHECK(result_of("shl.b32", "rrr", {3, 32}) == 0);
  CHECK(result_of("shr.u32", "rrr", {0xF0000000, 28}) == 15);
  CHECK(result_of("shr.u32", "rrr", {0xF0000000, 99}) == 0);
  CHECK(result_of("bfi.b32", "rrrrr", {0x5, 0xFFFFFFFF, 4, 3}) == 0xFFFFFFDF);
  CHECK(result_of("bfi.b32", "rrrrr", {0x7, 0, 31, 29}) == 0x80000000);
  CHECK(result_of("bfe.u32", "rrrr", {0xABCD1234, 8, 12}) == 0xD12);
  CHECK(result_of("bfe.u32", "rrrr", {0xABCD1234, 28, 255}) == 0xA);
  CHECK(result_of("mul.hi.u16", "hhh", {0x8000, 6}) == 3);
  CHECK(result_of("mul.wide.u16", "rhh", {0xFFFF, 0xFFFF}) == 0xFFFE0001);
  CHECK(result_of("max.s32", "rrr", {0xFFFFFFFF, 1}) == 1);
  CHECK(result_of("max.u32", "rrr", {0xFFFFFFFF, 1}) == 0xFFFFFFFF);
  CHECK(result_of("neg.s32", "rr", {5}) == 0xFFFFFFFB);
  CHECK(result_of("setp.lt.s32", "prr", {0xFFFFFFFF, 1}) == 1);
  CHECK(result_of("setp.lt.u32", "prr", {0xFFFFFFFF, 1}) == 0);
}

TEST_CASE("ptx arithmetic: float32, with NaN, infinities and signs of zero") {
  CHECK(result_of("fma.rn.f32", "ffff", {bits(1 + 0x1p-12f), bits(1 + 0x1p-12f), bits(-1)}) ==
        bits(0x1p-11f + 0x1p-24f));  // a product rounded by itself would lose the last bit
  CHECK(result_of("max.f32", "fff", {bits(kNaN), bits(3)}) == bits(3));
  CHECK(result_of("max.f32", "fff", {bits(-0.0f), bits(0.0f)}) == bits(0.0f));
  CHECK(result_of("copysign.f32", "fff", {bits(-1), bits(5)}) == bits(-5));
  CHECK(result_of("neg.f32", "ff", {bits(0)}) == bits(-0.0f));
  CHECK(result_of("ex2.approx.ftz.f32", "ff", {bits(-126)}) == bits(0x1p-126f));
  CHECK(result_of("ex2.approx.ftz.f32", "ff", {bits(-127)}) == 0);
  CHECK(result_of("rcp.rn.f32", "ff", {bits(0)}) == bits(INFINITY));
  CHECK(result_of("selp.f32", "fffp", {bits(1), bits(2), 0}) == bits(2));
  // Comparisons with a NaN are false, but for those of the kind that is true.
  CHECK(result_of("setp.ne.f32", "pff", {bits(kNaN), bits(1)}) == 0);
  CHECK(result_of("setp.neu.f32", "pff", {bits(kNaN), bits(1)}) == 1);
  CHECK(result_of("setp.lt.f32", "pff", {bits(kNaN), bits(1)}) == 0);
  CHECK(result_of("setp.ltu.f32", "pff", {bits(kNaN), bits(1)}) == 1);
  CHECK(result_of("setp.gtu.f32", "pff", {bits(1), bits(1)}) == 0);
}

TEST_CASE("ptx arithmetic: numbers of 16 bits, rounded to even, the first of two in the upper half") {
  CHECK(result_of("cvt.rn.f16.f32", "hf", {bits(1 + 0x1p-11f)}) == 0x3C00);
  CHECK(result_of("cvt.rn.bf16.f32", "hf", {bits(1 + 0x3p-8f)}) == 0x3F82);
  CHECK(result_of("cvt.f32.f16", "fh", {0xC000}) == bits(-2));
  CHECK(result_of("cvt.rn.f16x2.f32", "rff", {bits(1), bits(2)}) == 0x3C004000);
  CHECK(result_of("cvt.rn.bf16x2.f32", "rff", {bits(1), bits(2)}) == 0x3F804000);
  const auto halves = run({"mov.b32 {%h0, %h1}, 0x12345678; mov.b32 %result, {%h1, %h0};"});
  CHECK(halves[0] == 0x56781234);
}

TEST_CASE("ptx loads: signed numbers keep their sign, smaller ones the rest zero") {
  const std::vector<std::uint32_t> input{0xFFFFFF85};
  CHECK(run({"ld.global.s32 %d1, [%in]; shr.u64 %d1, %d1, 32; cvt.u32.u64 %result, %d1;", 1, 0, input})[0] ==
        0xFFFFFFFF);
  CHECK(run({"ld.global.u8 %result, [%in];", 1, 0, input})[0] == 0x85);
}

TEST_CASE("ptx branches: lanes part, go their own ways for their own time, and meet again") {
  // Odd lanes add up 1 to their number, the others take it three times; then all exchange.
  const auto result = run({R"(
      and.b32 %r1, %tid, 1;
      setp.eq.u32 %p1, %r1, 0;
      mov.u32 %r2, 0;
      @%p1 bra even;
      mov.u32 %r3, %tid;
    again:
      add.s32 %r2, %r2, %r3;
      add.s32 %r3, %r3, -1;
      setp.ne.u32 %p2, %r3, 0;
      @%p2 bra again;
      bra.uni both;
    even:
      mul.lo.s32 %r2, %tid, 3;
    both:
      shfl.sync.bfly.b32 %result|%p3, %r2, 1, 31, -1;
  )"});
  for (unsigned i = 0; i < 32; ++i) {
    const unsigned other = i ^ 1;
    CHECK(result[i] == (other % 2 == 0 ? 3 * other : other * (other + 1) / 2));
  }
}

TEST_CASE("ptx branches: instructions with a guard are for the lanes where it is true") {
  const auto result = run({R"(
      setp.lt.u32 %p1, %tid, 5;
      mov.u32 %result, 7;
      @%p1 mov.u32 %result, 1;
      @!%p1 add.s32 %result, %result, 1;
  )"});
  for (unsigned i = 0; i < 32; ++i) CHECK(result[i] == (i < 5 ? 1 : 8));
}

TEST_CASE("ptx barriers: what other warps wrote before is there after") {
  const auto result = run({R"(
      st.shared.u32 [%mine], %tid;
      bar.sync 0;
      xor.b32 %r1, %tid, 64;
      sub.s32 %r1, %r1, %tid;
      mad.lo.s32 %r1, %r1, 4, %mine;
      ld.shared.u32 %result, [%r1];
  )",
                           128, 512});
  for (unsigned i = 0; i < 128; ++i) CHECK(result[i] == (i ^ 64));
}

TEST_CASE("ptx barriers: bar.red.or is true for all when it is for one, and the last warp may be short") {
  for (const unsigned which : {3u, 69u, 70u}) {
    const auto result = run({"setp.eq.u32 %p1, %tid, " + std::to_string(which) +
                                 "; bar.red.or.pred %p2, 0, %p1; selp.u32 %result, 1, 0, %p2;",
                             70});
    CHECK(std::all_of(result.begin(), result.end(), [&](std::uint32_t one) { return one == (which < 70 ? 1 : 0); }));
  }
}

TEST_CASE("ptx shuffles: a lane takes from another of its segment") {
  const auto indexed = run({"shfl.sync.idx.b32 %result|%p1, %tid, 5, 31, -1;"});
  for (const std::uint32_t one : indexed) CHECK(one == 5);
  // Segments of 8 lanes: the third of each.
  const auto segments = run({"shfl.sync.idx.b32 %result|%p1, %tid, 2, 0x181F, -1;"});
  for (unsigned i = 0; i < 32; ++i) CHECK(segments[i] == i / 8 * 8 + 2);
  // Beyond the clamp: its own, and the predicate tells.
  const auto clamped = run({"shfl.sync.bfly.b32 %r1|%p1, %tid, 16, 15, -1; selp.u32 %result, %r1, 99, %p1;"});
  for (unsigned i = 0; i < 32; ++i) CHECK(clamped[i] == (i < 16 ? 99 : i - 16));
}

TEST_CASE("ptx text: what is not known is named with its line") {
  const auto complaint = [](const std::string& lines) {
    try {
      run({"\n" + lines});
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(complaint("mul24.lo.s32 %result, %tid, 3;") == "PTX line 22: unknown instruction mul24.lo.s32");
  CHECK(complaint("add.sat.s32 %result, %tid, 3;") == "PTX line 22: unknown instruction add.sat.s32");
  CHECK(complaint("ld.global.nc.u32 %result, [%in];") == "PTX line 22: unknown instruction ld.global.nc.u32");
  CHECK(complaint("ld.volatile.global.u32 %result, [%in];") ==
        "PTX line 22: unknown instruction ld.volatile.global.u32");
  CHECK(complaint("bar.sync 1;") == "PTX line 22: bar.sync is known with 0 alone");
  CHECK(complaint("bar.sync 0, 64;") == "PTX line 22: bar.sync has another number of operands");
  CHECK(complaint("add.s32 %result, %tid;") == "PTX line 22: add.s32 has another number of operands");
  CHECK(complaint("add.s32 %result, %other, 1;") == "PTX line 22: no register %other");
  CHECK(complaint("add.s32 3, %tid, 1;") == "PTX line 22: no register 3");
  CHECK(complaint("st.shared.v2.u32 [%mine], {%tid};") ==
        "PTX line 22: operand 2 of st.shared.v2.u32 is of another kind");
  CHECK(complaint("bra away;") == "PTX line 22: no label away");
  CHECK(complaint("mov.u32 %result, %clock;") == "PTX line 22: no register %clock");
  CHECK(complaint("mov.u32 %result, 1.5;") == "PTX line 22: unknown number 1.5");
  CHECK(complaint(".local .b8 depot[16];") == "PTX line 22: unknown directive .local");
  CHECK_THROWS_WITH_AS(ptx::parse("\n.global .u32 counter;"), "PTX line 2: unknown directive .global",
                       std::runtime_error);
  CHECK_THROWS_WITH_AS(ptx::parse(".extern .shared .align 128 .b8 memory[];"),
                       doctest::Contains("a multiple of 16 bytes, no more"), std::runtime_error);
}
