// Matrices over the lanes of a warp: against a plain product, and at places read off the manual's tables by hand.
#include "ptx/matrix.h"

#include <bit>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "base/tensor.h"
#include "ptx/snippet.h"

using namespace mt;
using mt::test::run;

namespace {

constexpr auto kOnes = [](ptx::Numbers numbers) { return numbers == ptx::Numbers::f16 ? 0x3C00u : 0x3F80u; };

// Where C is not 0 when A and B are, but for a 1 in the half of a register of a lane: {row, column}, as lane and
// register say. Of A: B is all ones; of B: A is.
struct Place {
  unsigned lane, which, upper;
};
std::vector<std::pair<unsigned, unsigned>> lit(unsigned depth, ptx::Numbers numbers, bool of_a, Place place) {
  const unsigned a_registers = depth / 4, b_registers = depth / 8;
  std::vector<ptx::Row> rows(4 + a_registers + b_registers + 4);
  const std::uint64_t one = kOnes(numbers), ones = one | one << 16;
  for (unsigned i = 0; i < a_registers + b_registers; ++i) rows[4 + i].fill((i < a_registers) == of_a ? 0 : ones);
  rows[4 + (of_a ? 0 : a_registers) + place.which][place.lane] = one << (16 * place.upper);
  std::vector<ptx::Slot> operands(rows.size());
  for (unsigned i = 0; i < operands.size(); ++i) operands[i] = i;
  ptx::multiply_matrix(depth, numbers, rows.data(), operands.data());
  // C's own layout, from the table of m16n8: c0 and c1 of lane 4 r + c are at (r, 2 c) and (r, 2 c + 1), c2 and c3
  // eight rows below.
  std::vector<std::pair<unsigned, unsigned>> found;
  for (unsigned row = 0; row < 16; ++row) {
    for (unsigned column = 0; column < 8; ++column) {
      const unsigned lane = row % 8 * 4 + column / 2, which = row / 8 * 2 + column % 2;
      if (rows[which][lane] != 0) found.emplace_back(row, column);
    }
  }
  return found;
}
bool is_row(const std::vector<std::pair<unsigned, unsigned>>& lit, unsigned row) {
  return lit.size() == 8 && lit.front() == std::pair{row, 0u} && lit.back() == std::pair{row, 7u};
}
bool is_column(const std::vector<std::pair<unsigned, unsigned>>& lit, unsigned column) {
  return lit.size() == 16 && lit.front() == std::pair{0u, column} && lit.back() == std::pair{15u, column};
}

}  // namespace

TEST_CASE("ptx mma: rows of A and columns of B are in the lanes of the manual's tables") {
  for (const ptx::Numbers numbers : {ptx::Numbers::f16, ptx::Numbers::bf16}) {
    CHECK(is_row(lit(16, numbers, true, {0, 0, 0}), 0));
    CHECK(is_row(lit(16, numbers, true, {13, 0, 1}), 3));
    CHECK(is_row(lit(16, numbers, true, {13, 1, 0}), 11));
    CHECK(is_row(lit(16, numbers, true, {31, 2, 1}), 7));
    CHECK(is_row(lit(16, numbers, true, {31, 3, 0}), 15));
    CHECK(is_column(lit(16, numbers, false, {0, 0, 0}), 0));
    CHECK(is_column(lit(16, numbers, false, {13, 1, 1}), 3));
    CHECK(is_column(lit(16, numbers, false, {31, 0, 0}), 7));
  }
  CHECK(is_row(lit(8, ptx::Numbers::f16, true, {13, 0, 1}), 3));
  CHECK(is_row(lit(8, ptx::Numbers::f16, true, {13, 1, 0}), 11));
  CHECK(is_column(lit(8, ptx::Numbers::f16, false, {13, 0, 1}), 3));
}

namespace {

// C + A B by ldmatrix and mma.sync: A [16, 16] and B [16, 8 | 8] as they lie, B transposed on the way; of float16.
constexpr const char* kProduct = R"(
      // Two words a lane and turn go to shared memory: A, then B.
      mov.u32 %r1, 0;
    copy:
      mad.lo.s32 %r2, %r1, 128, %mine;
      mul.wide.u32 %d1, %r1, 128;
      mul.wide.u32 %d2, %tid, 4;
      add.s64 %d1, %d1, %d2;
      add.s64 %d1, %d1, %in;
      ld.global.u32 %r3, [%d1];
      st.shared.u32 [%r2], %r3;
      add.s32 %r1, %r1, 1;
      setp.lt.u32 %p1, %r1, 8;
      @%p1 bra copy;
      bar.sync 0;
      // Line tid % 16, the half tid / 16, of 32 bytes a line.
      mul.lo.s32 %r4, %tid, 4;
      sub.s32 %r4, %mine, %r4;
      and.b32 %r5, %tid, 15;
      shr.u32 %r6, %tid, 4;
      mad.lo.s32 %r4, %r5, 32, %r4;
      mad.lo.s32 %r4, %r6, 16, %r4;
      ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r10, %r11, %r12, %r13}, [%r4];
      ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r14, %r15, %r16, %r17}, [%r4+512];
      mov.f32 %f0, 0f3F800000;
      mov.f32 %f1, 0f40000000;
      mov.f32 %f2, 0f00000000;
      mov.f32 %f3, 0fBF800000;
)";

}  // namespace

TEST_CASE("ptx ldmatrix and mma: agree with a plain product, in one piece and in two of half the depth") {
  std::vector<float> a(16 * 16), b(16 * 16);
  std::vector<std::uint32_t> input;
  Random random(3, 1);
  for (std::vector<float>* matrix : {&a, &b}) {
    for (float& x : *matrix) x = to_float(to_half(static_cast<float>(random.normal())));
    for (std::size_t i = 0; i < matrix->size(); i += 2)
      input.push_back(static_cast<std::uint32_t>(to_half((*matrix)[i])) |
                      static_cast<std::uint32_t>(to_half((*matrix)[i + 1])) << 16);
  }
  const std::string whole =
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%r10, %r11, %r12, %r13}, {%r14, %r15}, "
      "{%f0, %f1, %f2, %f3};";
  const std::string halves =
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%r10, %r11}, {%r14}, {%f0, %f1, %f2, "
      "%f3};"
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%r12, %r13}, {%r15}, {%f0, %f1, %f2, "
      "%f3};";
  const float added[] = {1, 2, 0, -1};
  for (const std::string& product : {whole, halves}) {
    for (unsigned which = 0; which < 4; ++which) {
      const auto result =
          run({kProduct + product + "mov.b32 %result, %f" + std::to_string(which) + ";", 32, 1024, input});
      for (unsigned lane = 0; lane < 32; ++lane) {
        const unsigned row = lane / 4 + which / 2 * 8, column = lane % 4 * 2 + which % 2;
        double expected = added[which];
        for (unsigned k = 0; k < 16; ++k)
          expected += static_cast<double>(a[16 * row + k]) * static_cast<double>(b[16 * k + column]);
        CHECK(std::bit_cast<float>(result[lane]) == doctest::Approx(expected).epsilon(1e-5));
      }
    }
  }
}
