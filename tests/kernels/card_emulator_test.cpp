#include "support/card_emulator.h"

#include <array>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

using namespace mt;
using mt::test::emulate;
using mt::test::Order;

namespace {

constexpr Order kOrders[] = {Order::ascending, Order::descending, Order::shuffled};

// Every thread reads what its neighbour wrote.
std::vector<unsigned> neighbours(Order order, bool waits) {
  std::vector<unsigned> read(64);
  emulate(
      cuda::Grid{1, 1, 64, 64 * sizeof(unsigned)},
      [&](const auto& thread) {
        auto* shared = thread.template shared<unsigned>();
        shared[thread.index()] = thread.index();
        if (waits) thread.sync();
        read[thread.index()] = shared[(thread.index() + 1) % 64];
      },
      order);
  return read;
}

}  // namespace

TEST_CASE("card emulator: a barrier makes every order give the same, its absence shows") {
  for (const Order order : kOrders) {
    const auto read = neighbours(order, true);
    for (unsigned i = 0; i < 64; ++i) CHECK(read[i] == (i + 1) % 64);
  }
  CHECK(neighbours(Order::ascending, false) != neighbours(Order::descending, false));
}

TEST_CASE("card emulator: every block and every thread runs once") {
  std::vector<unsigned> runs(3 * 2 * 40);
  for (const Order order : kOrders) {
    emulate(
        cuda::Grid{3, 2, 40, 0},
        [&](const auto& thread) { ++runs[(thread.block_y() * 3 + thread.block_x()) * 40 + thread.index()]; }, order);
  }
  for (const unsigned count : runs) CHECK(count == 3);
}

TEST_CASE("card emulator: a thread that ends while others wait is a bug with a name") {
  const auto leaves = [](const auto& thread) {
    if (thread.index() == 5) return;
    thread.sync();
  };
  for (const Order order : kOrders)
    CHECK_THROWS_WITH_AS(emulate(cuda::Grid{1, 1, 64, 0}, leaves, order),
                         doctest::Contains("waits for sync at card_emulator_test.cpp"), std::logic_error);
  // And the next kernel runs as if nothing had been.
  CHECK(neighbours(Order::ascending, true)[63] == 0);
}

TEST_CASE("card emulator: threads that wait at different places are a bug with a name") {
  const auto diverges = [](const auto& thread) {
    if (thread.index() == 5)
      thread.sync();
    else
      thread.sync();
  };
  const auto differs = [](const auto& thread) {
    if (thread.lane() == 5)
      thread.sync_warp();
    else
      thread.shuffle_xor(1, 1);
  };
  for (const Order order : kOrders) {
    CHECK_THROWS_WITH_AS(emulate(cuda::Grid{1, 1, 64, 0}, diverges, order), doctest::Contains("threads diverge"),
                         std::logic_error);
    CHECK_THROWS_WITH_AS(emulate(cuda::Grid{1, 1, 32, 0}, differs, order), doctest::Contains("threads diverge"),
                         std::logic_error);
  }
}

TEST_CASE("card emulator: copies come when they are waited for, in the order of their commits") {
  alignas(16) const std::array<std::uint32_t, 8> global{1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<std::uint32_t> seen;
  emulate(cuda::Grid{1, 1, 1, 48}, [&](const auto& thread) {
    auto* shared = thread.template shared<std::uint32_t>();
    const auto look = [&] { seen.insert(seen.end(), {shared[0], shared[4], shared[8]}); };
    thread.copy_async_16(shared, global.data(), true);
    thread.commit_copies();
    thread.copy_async_16(shared + 4, global.data() + 4, true);
    thread.copy_async_16(shared + 8, global.data() + 4, false);
    thread.commit_copies();
    look();
    thread.template wait_copies<1>();
    look();
    thread.template wait_copies<0>();
    look();
  });
  constexpr std::uint32_t spoilt = 0xFFFFFFFF;
  CHECK(seen == std::vector<std::uint32_t>{spoilt, spoilt, spoilt, 1, spoilt, spoilt, 1, 5, 0});
}

TEST_CASE("card emulator: copies that nobody waits for, or beside shared memory, are bugs") {
  alignas(16) const std::array<float, 4> global{};
  const auto copy = [&](std::size_t offset_bytes, bool waits) {
    emulate(cuda::Grid{1, 1, 1, 32}, [&](const auto& thread) {
      thread.copy_async_16(thread.template shared<std::byte>(offset_bytes), global.data(), true);
      thread.commit_copies();
      if (waits) thread.template wait_copies<0>();
    });
  };
  copy(16, true);
  CHECK_THROWS_WITH_AS(copy(16, false), doctest::Contains("ends before its copies"), std::logic_error);
  CHECK_THROWS_WITH_AS(copy(32, true), doctest::Contains("16 bytes of shared memory"), std::logic_error);
  CHECK_THROWS_WITH_AS(copy(8, true), doctest::Contains("16 bytes of shared memory"), std::logic_error);
}

TEST_CASE("card emulator: lanes exchange values, blocks agree") {
  std::vector<float> exchanged(64);
  std::vector<int> any(64);
  emulate(cuda::Grid{1, 1, 64, 0}, [&](const auto& thread) {
    exchanged[thread.index()] = thread.shuffle_xor(static_cast<float>(thread.index()), 5);
    any[thread.index()] = thread.any_in_block(thread.index() == 40) ? 1 : 0;
    any[thread.index()] += thread.any_in_block(false) ? 2 : 0;
  });
  for (unsigned i = 0; i < 64; ++i) {
    CHECK(exchanged[i] == static_cast<float>(i ^ 5u));
    CHECK(any[i] == 1);
  }
}

TEST_CASE("card emulator: a product of fragments is the product of the matrices") {
  // a[i][k] = i + k / 4, b[k][j] = k - 2 j, in shared memory by rows of 8: exact in bfloat16 and in float32.
  const auto a = [](unsigned i, unsigned k) { return static_cast<float>(i) + static_cast<float>(k) / 4; };
  const auto b = [](unsigned k, unsigned j) { return static_cast<float>(k) - 2 * static_cast<float>(j); };
  std::vector<float> product(16 * 8);
  emulate(cuda::Grid{1, 1, 32, 16 * 8 * 2 * sizeof(BFloat16)}, [&](const auto& thread) {
    auto* rows = thread.template shared<BFloat16>();  // of b: [16, 8], then the same again
    for (unsigned j = 0; j < 8; ++j) rows[thread.lane() * 8 + j] = to_bfloat16(b(thread.lane() % 16, j));
    thread.sync_warp();
    std::uint32_t right[4];
    thread.template load_matrix_x4<true>(rows + thread.lane() * 8, right);
    CHECK(right[0] == right[2]);
    CHECK(right[1] == right[3]);
    const unsigned g = thread.lane() / 4, t = thread.lane() % 4;
    std::uint32_t left[4];
    for (unsigned i = 0; i < 4; ++i) {
      const unsigned row = g + i % 2 * 8, column = 2 * t + i / 2 * 8;
      left[i] = static_cast<std::uint32_t>(to_bfloat16(a(row, column))) |
                static_cast<std::uint32_t>(to_bfloat16(a(row, column + 1))) << 16;
    }
    float sums[4] = {1, 1, 1, 1};
    thread.template multiply_add_16x8x16<BFloat16>(sums, left, right[0], right[1]);
    for (unsigned i = 0; i < 4; ++i) product[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
  });
  for (unsigned i = 0; i < 16; ++i) {
    for (unsigned j = 0; j < 8; ++j) {
      float expected = 1;
      for (unsigned k = 0; k < 16; ++k) expected += a(i, k) * b(k, j);
      CHECK(product[i * 8 + j] == expected);
    }
  }
}
