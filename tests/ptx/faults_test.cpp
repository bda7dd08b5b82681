// Every fault is found, and what is right passes.
#include <string>

#include <doctest/doctest.h>

#include "ptx/snippet.h"

using namespace mt;
using mt::test::run;
using mt::test::Snippet;

namespace {

// What the interpreter has against it; nothing when it ends.
std::string fault_of(const Snippet& snippet) {
  try {
    run(snippet);
  } catch (const ptx::Fault& fault) {
    return fault.what();
  }
  return "none";
}
bool has(const std::string& text, const std::string& part) {
  INFO(text);
  CHECK(text.find(part) != std::string::npos);
  return text.find(part) != std::string::npos;
}

constexpr const char* kResult = "mov.u32 %result, 0;";

// In front of lines that only warp 1 does.
std::string by_warp_1(const std::string& lines) {
  return "setp.lt.u32 %p7, %tid, 32; @%p7 bra past; " + lines + " past: ";
}

}  // namespace

TEST_CASE("ptx faults: name the kernel, the line, the instruction and the thread") {
  CHECK(fault_of({"\nmov.u32 %result, 3;\n@%p0 ld.global.u32 %result, [%in+8];", 64, 0, {1, 2}}) ==
        "snippet, PTX line 23, ld.global.u32, thread 0 of block (0, 0): 4 bytes at 0x7f0000000018, which are in no "
        "buffer");
}

TEST_CASE("ptx faults: global memory outside of a buffer, misaligned, or written where it is not to be") {
  const std::vector<std::uint32_t> input(8);
  CHECK(fault_of({"ld.global.v4.u32 {%r1, %r2, %r3, %result}, [%in+16];", 1, 0, input}) == "none");
  CHECK(has(fault_of({"ld.global.v4.u32 {%r1, %r2, %r3, %result}, [%in+8];", 1, 0, input}), "which is no multiple"));
  CHECK(has(fault_of({"ld.global.v4.u32 {%r1, %r2, %r3, %result}, [%in+32];", 1, 0, input}), "in no buffer"));
  CHECK(has(fault_of({"ld.global.u32 %result, [%in+-4];", 1, 0, input}), "in no buffer"));
  CHECK(has(fault_of({"st.global.u32 [%in], %tid;", 1, 0, input}), "writes to an input"));
  CHECK(has(fault_of({"ld.global.u32 %result, [%out];"}), "before it is written"));
}

TEST_CASE("ptx faults: a byte of global memory that one thread writes is no other's") {
  CHECK(has(fault_of({"st.global.u32 [%out], %tid; shl.b32 %r1, %tid, 2; cvt.u64.u32 %d1, %r1; sub.s64 %out, %out, %d1;"
                      "st.global.u32 [%out], %tid;"}),
            "a race: it writes global memory"));
  CHECK(has(fault_of({"st.global.u32 [%out], %tid; bar.sync 0; setp.eq.u32 %p1, %tid, 0; @%p1 add.s64 %out, %out, 4;"
                      "ld.global.u32 %result, [%out];"}),
            "a race: it reads global memory"));
}

TEST_CASE("ptx faults: shared memory outside, misaligned, or never written") {
  CHECK(fault_of({"st.shared.u32 [%mine], %tid; ld.shared.u32 %result, [%mine];", 32, 128}) == "none");
  CHECK(has(fault_of({"st.shared.u32 [%mine], %tid; ld.shared.u32 %result, [%mine];", 32, 124}),
            "thread 31 of block (0, 0): 4 bytes at 0x48c, outside of the block's 124 bytes"));
  CHECK(has(fault_of({"st.shared.v2.u32 [%mine], {%tid, %tid};"}), "thread 1 of block (0, 0): 8 bytes at 0x414"));
  CHECK(has(fault_of({"ld.shared.u32 %result, [%mine];"}), "nobody has written"));
  CHECK(has(fault_of({"mov.u32 %r1, 16; st.shared.u32 [%r1], %tid;"}), "outside of the block's"));
}

TEST_CASE("ptx faults: shared memory of two threads, one of them writing, without a barrier between") {
  const std::string own = "st.shared.u32 [%mine], %tid;", barrier = "bar.sync 0;";
  // That of the same lane in the other warp.
  const std::string others = "xor.b32 %r1, %tid, 32; sub.s32 %r1, %r1, %tid; mad.lo.s32 %r1, %r1, 4, %mine;";
  const std::string read = "ld.shared.u32 %result, [%r1];", write = "st.shared.u32 [%r1], %tid;";
  CHECK(fault_of({own + others + barrier + read, 64}) == "none");
  CHECK(has(fault_of({own + others + read, 64}), "nobody has written"));  // the first warp is too early
  CHECK(has(fault_of({own + others + by_warp_1(read) + kResult, 64}), "a race: it reads shared memory"));
  CHECK(has(fault_of({own + others + by_warp_1(write) + kResult, 64}), "a race: it writes shared memory"));
  // Read by the one before a barrier, written by the other after it, or before.
  CHECK(fault_of({own + others + barrier + read + barrier + write, 64}) == "none");
  CHECK(has(fault_of({own + others + barrier + read + by_warp_1(own) + kResult, 64}), "was read by thread 0"));
  // Several readers are all remembered: the whole warp 0 reads the word of thread 0, which then writes it.
  const std::string first = "mov.u32 %r2, memory;", read_first = "ld.shared.u32 %result, [%r2];",
                    write_first = "setp.eq.u32 %p1, %tid, 0; @%p1 st.shared.u32 [%r2], %tid;";
  CHECK(fault_of({own + first + barrier + read_first + barrier + write_first, 64}) == "none");
  CHECK(has(fault_of({own + first + barrier + read_first + write_first, 32}), "read by several lanes of warp 0"));
  CHECK(has(fault_of({own + first + barrier + read_first + by_warp_1("st.shared.u32 [%r2], %tid;"), 64}),
            "read by several warps"));
  // Within a warp, its own barrier is enough; running side by side is not.
  CHECK(has(fault_of({own + first + read_first}), "thread 1 of block (0, 0): a race: it reads shared memory"));
  CHECK(fault_of({own + first + "bar.warp.sync -1;" + read_first}) == "none");
  CHECK(fault_of({own + first + "bar.warp.sync -1;" + read_first + "bar.warp.sync -1;" + write_first}) == "none");
  // For another warp it is not.
  CHECK(has(fault_of({own + first + "bar.warp.sync -1;" + by_warp_1(read_first) + kResult, 64}), "a race"));
}

TEST_CASE("ptx faults: copies are there for the thread that waited for them, for others after a barrier") {
  const std::vector<std::uint32_t> input{11, 12, 13, 14};
  // Thread 0 copies 16 bytes; thread 1 would read the second word.
  const std::string start =
                        "setp.ne.u32 %p1, %tid, 0; mov.u32 %r2, memory; mov.u32 %result, 0; @%p1 bra begun;"
                        "cp.async.cg.shared.global [%r2], [%in], 16, 16; begun: ",
                    commit = "cp.async.commit_group;", wait = "cp.async.wait_group 0;", barrier = "bar.sync 0;",
                    by_0 = "@!%p1 ld.shared.u32 %result, [%r2];", by_all = "ld.shared.u32 %result, [%r2+4];";
  CHECK(run({start + commit + wait + by_0, 32, 16, input})[0] == 11);
  CHECK(run({start + commit + wait + barrier + by_all, 32, 16, input})[31] == 12);
  CHECK(has(fault_of({start + commit + by_0 + wait, 32, 16, input}), "whose copy thread 0 has not waited for"));
  CHECK(has(fault_of({start + wait + by_0, 32, 16, input}), "whose copy thread 0 has not waited for"));
  CHECK(has(fault_of({start + commit + barrier + by_all + wait, 32, 16, input}), "has not waited for"));
  CHECK(has(fault_of({start + commit + wait + by_all, 32, 16, input}), "thread 1 of block (0, 0): a race"));
  CHECK(has(fault_of({start + commit + "cp.async.wait_group 1;" + by_0, 32, 16, input}), "has not waited for"));
  CHECK(run({start + commit + commit + "cp.async.wait_group 1;" + by_0, 32, 16, input})[0] == 11);
  CHECK(has(fault_of({start + commit, 32, 16, input}), "ends before its copies"));
  CHECK(has(fault_of({start + commit + "@!%p1 st.shared.u32 [%r2+12], %tid;" + wait, 32, 16, input}),
            "it writes shared memory at 0x41c"));
}

TEST_CASE("ptx faults: copies of 16 bytes, from and to a multiple of them, of all or nothing") {
  const std::vector<std::uint32_t> input{11, 12, 13, 14, 15};
  const auto copy = [&](const std::string& operands) {
    return Snippet{"mov.u32 %r1, memory; mov.u32 %r2, 16; cp.async.cg.shared.global " + operands +
                       "; cp.async.commit_group; cp.async.wait_group 0; ld.shared.u32 %result, [%r1+12];",
                   1, 32, input};
  };
  CHECK(run(copy("[%r1], [%in], 16, %r2"))[0] == 14);
  CHECK(run(copy("[%r1], [%in+32], 16, 0"))[0] == 0);  // nothing is read
  CHECK(has(fault_of(copy("[%r1], [%in+4], 16, %r2")), "a copy from between 16 bytes"));
  CHECK(has(fault_of(copy("[%r1], [%in+4], 16, 0")), "a copy from between 16 bytes"));
  CHECK(has(fault_of(copy("[%r1], [%in+16], 16, %r2")), "in no buffer"));
  CHECK(has(fault_of(copy("[%r1+8], [%in], 16, %r2")), "no multiple"));
  CHECK(has(fault_of(copy("[%r1+32], [%in], 16, %r2")), "outside of the block's"));
  CHECK(has(fault_of(copy("[%r1], [%in], 16, 17")), "a copy of 17 of 16 bytes"));
}

TEST_CASE("ptx faults: a barrier without all lanes of its warp, or all warps") {
  const std::string some = "setp.lt.u32 %p1, %tid, ", end = "mov.u32 %result, 1;";
  CHECK(fault_of({some + "0; @%p1 bar.sync 0;" + end, 64}) == "none");
  CHECK(has(fault_of({some + "7; @%p1 bar.sync 0;" + end}), "bar.sync is for all of the warp: 7 of 32 lanes"));
  CHECK(has(fault_of({some + "7; @%p1 bra on; bar.sync 0; on:" + end}), "25 of 32 lanes are there"));
  CHECK(has(fault_of({some + "7; @%p1 ret; bar.sync 0;" + end}), "25 of 32 lanes are there"));
  CHECK(has(fault_of({some + "32; @%p1 bra on; bar.sync 0; on:" + end, 64}), "warps before it have ended"));
  CHECK(has(fault_of({some + "32; @!%p1 bra on; bar.sync 0; on:" + end, 64}), "warps before it wait in line"));
  CHECK(has(fault_of({some + "32; @%p1 bra on; bar.sync 0; bra.uni off; on: bar.sync 0; off:" + end, 64}),
            "warps before it wait in line"));
  CHECK(has(fault_of({some + "7; @%p1 bar.warp.sync 127;" + end}), "bar.warp.sync is for all of the warp"));
  CHECK(has(fault_of({"bar.warp.sync 127;" + end}), "its mask is another"));
}

TEST_CASE("ptx faults: what a warp does together without all of its lanes") {
  const std::string some = "setp.lt.u32 %p1, %tid, 7;", end = "mov.u32 %result, 1;";
  CHECK(fault_of({some + "@%p1 bra on; on: shfl.sync.bfly.b32 %r1|%p2, %tid, 1, 31, -1;" + end}) == "none");
  CHECK(has(fault_of({some + "@%p1 bra on; shfl.sync.bfly.b32 %r1|%p2, %tid, 1, 31, -1; on:" + end}),
            "its mask is not that of the lanes"));
  CHECK(has(fault_of({some + "@%p1 shfl.sync.bfly.b32 %r1|%p2, %tid, 1, 31, 127;" + end}),
            "thread 6 of block (0, 0): it takes the value of a lane that is not there"));
  const std::string product =
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%f0, %f1, %f2, %f3}, {%r0, %r1, %r2, %r3}, {%r4, %r5}, "
      "{%f0, %f1, %f2, %f3};";
  CHECK(fault_of({product + end}) == "none");
  CHECK(has(fault_of({some + "@%p1 " + product + end}), "a product of matrices needs all 32 lanes"));
  CHECK(has(fault_of({product + end, 48}), "warp 1 of block (0, 0): a product of matrices needs all 32 lanes"));
}

TEST_CASE("ptx faults: lines of matrices that are misaligned, outside, or another's without a barrier") {
  const std::string address = "mad.lo.s32 %r1, %tid, 12, %mine;",
                    store = "st.shared.v4.u32 [%r1], {%r2, %r2, %r2, %r2};",
                    load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r3, %r4, %r5, %result}, [%r1];";
  CHECK(fault_of({address + store + "bar.sync 0;" + load, 32, 512}) == "none");
  CHECK(has(fault_of({address + store + load, 32, 512}), "thread 0 of block (0, 0): a race: it reads"));
  CHECK(has(fault_of({address + store + "bar.sync 0; add.s32 %r1, %r1, 8;" + load, 32, 528}), "no multiple"));
  CHECK(has(fault_of({address + store + "bar.sync 0; add.s32 %r1, %r1, 16;" + load, 32, 512}), "thread 31"));
  CHECK(has(fault_of({address + store + "setp.lt.u32 %p1, %tid, 8; bar.sync 0; @%p1 " + load, 32, 512}),
            "needs all 32 lanes"));
}

TEST_CASE("ptx faults: trap, loops without end, and parameters that are not there") {
  CHECK(has(fault_of({"trap;"}), "trap, warp 0 of block (0, 0): trap"));
  CHECK(has(fault_of({"setp.eq.u32 %p1, %tid, 3; @%p1 trap; mov.u32 %result, 0;"}), ": trap"));
  CHECK(fault_of({"setp.eq.u32 %p1, %tid, 32; @%p1 trap; mov.u32 %result, 0;"}) == "none");
  CHECK(has(fault_of({"again: bra again;", 1}), "the block does not end"));
  CHECK(has(fault_of({"ld.param.u64 %d1, [parameters+12];"}), "8 bytes at 12 of the parameters"));
  CHECK(has(fault_of({"ld.param.u64 %d1, [parameters+16];"}), "8 bytes at 16 of the parameters"));
}
