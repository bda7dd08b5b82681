#include "kernels/packed_product.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"

using namespace mt;

namespace {

struct Case {
  Tensor x, weight, bias;
};

Case make(std::size_t rows, std::size_t inputs, std::size_t outputs) {
  Case c{Tensor(DType::f32, {rows, inputs}), Tensor(DType::f32, {outputs, inputs}), Tensor(DType::f32, {outputs})};
  Random random(5);
  random.fill_normal(c.x.as<float>(), 0, 1);
  random.fill_normal(c.weight.as<float>(), 0, 1 / std::sqrt(static_cast<float>(inputs)));
  random.fill_normal(c.bias.as<float>(), 0, 0.1F);
  return c;
}

// The plain loop in double precision: the oracle.
double product(const Case& c, std::size_t row, std::size_t output) {
  double sum = c.bias.as<float>()[output];
  for (std::size_t k = 0; k < c.x.columns(); ++k) {
    sum += static_cast<double>(c.x.row<float>(row)[k]) * static_cast<double>(c.weight.row<float>(output)[k]);
  }
  return sum;
}

double gelu(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }

}  // namespace

TEST_CASE("packed product, float32: equals the plain loop for every remainder of rows and columns") {
  if (!PackedProduct::supported(ProductType::f32)) return;
  for (const std::size_t rows : {1, 2, 3, 4, 5, 6, 7, 13}) {
    for (const std::size_t outputs : {1, 16, 63, 64, 65, 192}) {
      const Case c = make(rows, 96, outputs);
      const PackedProduct packed(ProductType::f32, c.weight, c.bias.as<float>());
      std::vector<float> y(rows * outputs);
      packed.run(c.x.data(), nullptr, rows, {}, y.data(), outputs);
      for (std::size_t i = 0; i < rows; ++i) {
        for (std::size_t j = 0; j < outputs; ++j) REQUIRE(std::fabs(y[i * outputs + j] - product(c, i, j)) < 2e-6);
      }
    }
  }
}

TEST_CASE("packed product: bias, GELU, bfloat16 output and addition ride along") {
  if (!PackedProduct::supported(ProductType::f32)) return;
  const Case c = make(7, 64, 80);
  const PackedProduct packed(ProductType::f32, c.weight, c.bias.as<float>());
  std::vector<float> activated(7 * 80), added(7 * 80, 3.0F);
  std::vector<BFloat16> narrow(7 * 80);
  packed.run(c.x.data(), nullptr, 7, {Epilogue::Activation::gelu, Epilogue::Output::f32}, activated.data(), 80);
  packed.run(c.x.data(), nullptr, 7, {Epilogue::Activation::quick_gelu, Epilogue::Output::bf16}, narrow.data(), 80);
  packed.run(c.x.data(), nullptr, 7, {Epilogue::Activation::none, Epilogue::Output::add}, added.data(), 80);
  for (std::size_t i = 0; i < 7; ++i) {
    for (std::size_t j = 0; j < 80; ++j) {
      const double expected = product(c, i, j);
      REQUIRE(std::fabs(activated[i * 80 + j] - gelu(expected)) < 3e-6);
      const double quick = expected / (1 + std::exp(-1.702 * expected));
      REQUIRE(std::fabs(to_float(narrow[i * 80 + j]) - quick) < 0.005 * std::fabs(quick) + 1e-5);  // 8 bits of mantissa
      REQUIRE(std::fabs(added[i * 80 + j] - (3 + expected)) < 4e-6);
    }
  }
}

TEST_CASE("packed product: GELU stays exact far out on both sides, and NaN comes through") {
  if (!PackedProduct::supported(ProductType::f32)) return;
  const Tensor one = Tensor::of<float>({1, 1}, {1.0F});
  const PackedProduct identity(ProductType::f32, one, {});
  const Epilogue activated = {Epilogue::Activation::gelu, Epilogue::Output::f32};
  float out = 0;
  for (double x = -12; x <= 12; x += 0.01) {
    const auto in = static_cast<float>(x);
    identity.run(&in, nullptr, 1, activated, &out, 1);
    REQUIRE(std::fabs(out - gelu(in)) < 2e-6);
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  identity.run(&nan, nullptr, 1, activated, &out, 1);
  CHECK(std::isnan(out));
}

TEST_CASE("packed product: a row's bytes do not depend on how many rows come with it") {
  for (const ProductType type : {ProductType::f32, ProductType::bf16, ProductType::int8}) {
    if (!PackedProduct::supported(type)) continue;
    const Case c = make(64, 128, 192);
    const PackedProduct packed(type, c.weight, c.bias.as<float>());
    const Tensor narrow = c.x.to(DType::bf16);
    std::vector<std::uint8_t> quantised(64 * 128);
    std::vector<float> scales(64);
    quantise_rows(c.x.as<float>().data(), 64, 128, quantised.data(), scales.data());
    const std::byte* x = type == ProductType::f32    ? c.x.data()
                         : type == ProductType::bf16 ? narrow.data()
                                                     : reinterpret_cast<const std::byte*>(quantised.data());
    const std::size_t row_bytes = 128 * (type == ProductType::f32 ? 4 : type == ProductType::bf16 ? 2 : 1);
    std::vector<float> whole(64 * 192), part(64 * 192);
    packed.run(x, scales.data(), 64, {}, whole.data(), 192);
    for (std::size_t begin = 0; begin < 64; begin += 7) {
      for (std::size_t rows = 1; begin + rows <= 64; ++rows) {
        packed.run(x + begin * row_bytes, scales.data() + begin, rows, {}, part.data(), 192);
        REQUIRE(std::memcmp(part.data(), whole.data() + begin * 192, rows * 192 * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("packed product, bfloat16: equals the plain loop on rounded inputs") {
  if (!PackedProduct::supported(ProductType::bf16)) return;
  Case c = make(9, 256, 70);
  const Tensor narrow = c.x.to(DType::bf16);
  c.x = narrow.to(DType::f32);
  c.weight = c.weight.to(DType::bf16).to(DType::f32);
  const PackedProduct packed(ProductType::bf16, c.weight, c.bias.as<float>());
  std::vector<float> y(9 * 70);
  packed.run(narrow.data(), nullptr, 9, {}, y.data(), 70);
  for (std::size_t i = 0; i < 9; ++i) {
    for (std::size_t j = 0; j < 70; ++j) REQUIRE(std::fabs(y[i * 70 + j] - product(c, i, j)) < 1e-5);
  }
}

TEST_CASE("packed product, int8: within the rounding of both scales; zero rows stay zero, NaN rows show") {
  if (!PackedProduct::supported(ProductType::int8)) return;
  Case c = make(9, 256, 70);
  for (float& value : c.x.row<float>(4)) value = 0;
  c.x.row<float>(8)[17] = std::numeric_limits<float>::quiet_NaN();
  const PackedProduct packed(ProductType::int8, c.weight, c.bias.as<float>());
  std::vector<std::uint8_t> q(9 * 256);
  std::vector<float> scales(9), y(9 * 70);
  quantise_rows(c.x.as<float>().data(), 9, 256, q.data(), scales.data());
  packed.run(q.data(), scales.data(), 9, {}, y.data(), 70);
  double worst = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    for (std::size_t j = 0; j < 70; ++j) worst = std::max(worst, std::fabs(y[i * 70 + j] - product(c, i, j)));
  }
  // 256 roundings of half a step (1/127 of about three deviations) on each side, with random signs.
  CHECK(worst < 0.06);
  for (std::size_t j = 0; j < 70; ++j) {
    CHECK(y[4 * 70 + j] == c.bias.as<float>()[j]);
    CHECK(std::isnan(y[8 * 70 + j]));
  }
}
