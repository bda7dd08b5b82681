#include "base/tensor.h"

#include <unistd.h>

#include <cmath>
#include <deque>
#include <fstream>
#include <limits>
#include <memory>
#include <numeric>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"

using namespace mt;

TEST_CASE("tensor: a declared shape that overflows is refused before memory is asked for") {
  CHECK_THROWS_AS(Tensor(DType::f32, {std::size_t{1} << 40, std::size_t{1} << 40}), Error);
  CHECK_THROWS_AS(Tensor(DType::f64, {std::size_t{1} << 62}), Error);
}

TEST_CASE("tensor: growing by rows keeps the first ones and zeroes the new ones") {
  Tensor t = Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6});
  t.resize_rows(1000);
  CHECK(t.shape() == Shape{1000, 3});
  CHECK(t.row<float>(1)[2] == 6);
  CHECK(t.row<float>(999)[2] == 0);
  t.resize_rows(1);
  t.resize_rows(2);
  CHECK(t.row<float>(1)[0] == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % 64 == 0);
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
TEST_CASE("tensor: memory is used again when blocks come and go among smaller ones") {
  const auto resident = [] {
    std::size_t all = 0, pages = 0;
    std::ifstream("/proc/self/statm") >> all >> pages;
    return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  };
  constexpr std::size_t kBlock = std::size_t{1} << 20, kAtOnce = 8;
  const std::size_t before = resident();
  std::size_t after = 0;
  // As workers do it: threads other than the first have heaps of their own.
  std::thread([&] {
    std::deque<Tensor> blocks;
    std::vector<std::unique_ptr<int[]>> small;
    for (std::size_t i = 0; i < 500; ++i) {
      blocks.emplace_back(DType::u8, Shape{kBlock});
      for (std::size_t k = 0; k < 20; ++k) small.push_back(std::make_unique<int[]>(10 + k));
      if (blocks.size() > kAtOnce) blocks.pop_front();
    }
    after = resident();
  }).join();
  CHECK(after < before + 4 * kAtOnce * kBlock);
}
#endif

TEST_CASE("tensor: width survives zero rows") {
  const Tensor t(DType::i32, {0, 7});
  CHECK(t.columns() == 7);
  CHECK(t.empty());
}

TEST_CASE("tensor: the wrong type is a bug, not a conversion") {
  Tensor t(DType::f32, {2});
  CHECK_THROWS_AS(t.as<double>(), std::logic_error);
  const float value = 1;
  Tensor view = Tensor::borrowed(DType::f32, {1}, &value, nullptr);
  CHECK(std::as_const(view).as<float>()[0] == 1);
  CHECK_THROWS_AS(view.as<float>(), std::logic_error);
}

TEST_CASE("half precision: every value makes the round trip, and rounding is to nearest even") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float value = to_float(half);
    if (std::isnan(value)) {
      CHECK(std::isnan(to_float(to_half(value))));
    } else {
      REQUIRE(to_half(value) == half);
    }
  }
  CHECK(to_float(to_half(65519.0F)) == 65504.0F);
  CHECK(std::isinf(to_float(to_half(65520.0F))));
  CHECK(to_float(to_half(1.0F + 0x1p-11F)) == 1.0F);  // a tie goes to the even mantissa
  CHECK(to_float(to_half(1.0F + 3 * 0x1p-11F)) == 1.0F + 0x1p-9F);
  CHECK(to_float(to_half(0x1p-25F)) == 0.0F);
}

TEST_CASE("bfloat16: rounds to nearest even and keeps NaN") {
  CHECK(to_float(to_bfloat16(1.0F + 0x1p-8F)) == 1.0F);
  CHECK(to_float(to_bfloat16(1.0F + 3 * 0x1p-8F)) == 1.0F + 0x1p-6F);
  CHECK(std::isnan(to_float(to_bfloat16(std::numeric_limits<float>::quiet_NaN()))));
}
