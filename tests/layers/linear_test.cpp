#include "layers/linear.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "base/random.h"
#include "kernels/isas.h"

using namespace mt;
using mt::test::kernels_of_machine;

namespace {

struct Case {
  std::size_t rows, inputs, outputs;
  std::vector<float> x, weight, bias, y;
  Case(std::size_t m, std::size_t k, std::size_t n)
      : rows(m), inputs(k), outputs(n), x(m * k), weight(n * k), bias(n), y(m * n) {
    Random(3, 1).fill_normal(x, 0, 1);
    Random(3, 2).fill_normal(weight, 0, 1 / std::sqrt(static_cast<float>(k)));
    Random(3, 3).fill_normal(bias, 0, 1);
    Random(3, 4).fill_normal(y, 0, 1);
  }
  double expected(std::size_t i, std::size_t j, Finish finish) const {
    double sum = static_cast<double>(bias[j]);
    for (std::size_t k = 0; k < inputs; ++k) {
      sum += static_cast<double>(x[i * inputs + k]) * static_cast<double>(weight[j * inputs + k]);
    }
    switch (finish) {
      case Finish::bias:
        return sum;
      case Finish::bias_gelu:
        return 0.5 * sum * std::erfc(-sum / std::sqrt(2.0));
      case Finish::bias_quick_gelu:
        return sum / (1 + std::exp(-1.702 * sum));
      case Finish::bias_add:
        return sum + static_cast<double>(y[i * outputs + j]);
    }
    return NAN;
  }
};

constexpr Finish kFinishes[] = {Finish::bias, Finish::bias_gelu, Finish::bias_quick_gelu, Finish::bias_add};

}  // namespace

TEST_CASE("linear: agrees with the plain loop on every instruction set, by our kernels and by oneDNN") {
  for (const Kernels* kernels : kernels_of_machine()) {
    for (const ProductBackend backend : {ProductBackend::own, ProductBackend::onednn}) {
      for (const Finish finish : kFinishes) {
        for (const Case& c : {Case(1, 1, 1), Case(5, 3, 17), Case(13, 64, 64), Case(65, 192, 100), Case(130, 70, 259),
                              Case(260, 2500, 20)}) {
          const Linear linear(c.weight, c.bias, c.inputs, c.outputs, finish, *kernels, Precision::f32, backend);
          auto y = c.y;
          linear.forward(Rows<const float>(c.x.data(), c.rows, c.inputs), Rows<float>(y.data(), c.rows, c.outputs));
          double largest = 0;
          for (std::size_t i = 0; i < c.rows; ++i) {
            for (std::size_t j = 0; j < c.outputs; ++j) {
              largest =
                  std::max(largest, std::abs(static_cast<double>(y[i * c.outputs + j]) - c.expected(i, j, finish)));
            }
          }
          CAPTURE(name_of(kernels->isa));
          CAPTURE(static_cast<int>(backend));
          CHECK(largest < (c.inputs > 1000 ? 2e-5 : 5e-6));  // float32 sums of as many terms
        }
      }
    }
  }
}

TEST_CASE("linear: a row's bytes do not depend on how many rows there are, from 1 to 512") {
  for (const Kernels* kernels : kernels_of_machine()) {
    for (const ProductBackend backend : {ProductBackend::own, ProductBackend::onednn}) {
      const Case c(512, 96, 80);
      const Linear linear(c.weight, c.bias, c.inputs, c.outputs, Finish::bias_gelu, *kernels, Precision::f32, backend);
      std::vector<float> all(c.y.size());
      linear.forward(Rows<const float>(c.x.data(), 512, c.inputs), Rows<float>(all.data(), 512, c.outputs));
      for (std::size_t m = 1; m < 512; m += m < 70 ? 1 : 23) {
        std::vector<float> y(m * c.outputs);
        // The last m rows, so that a row meets every place in a tile.
        linear.forward(Rows<const float>(c.x.data(), 512, c.inputs).rows(512 - m, 512),
                       Rows<float>(y.data(), m, c.outputs));
        REQUIRE(std::memcmp(y.data(), all.data() + (512 - m) * c.outputs, y.size() * sizeof(float)) == 0);
      }
    }
  }
}

TEST_CASE("linear: a row's bytes do not depend on the others where the depth is cut into parts") {
  for (const Kernels* kernels : kernels_of_machine()) {
    const Case c(300, 2500, 20);
    const Linear linear(c.weight, c.bias, c.inputs, c.outputs, Finish::bias, *kernels, Precision::f32,
                        ProductBackend::own);
    std::vector<float> all(c.y.size());
    linear.forward(Rows<const float>(c.x.data(), 300, c.inputs), Rows<float>(all.data(), 300, c.outputs));
    for (const std::size_t m : {1, 2, 7, 8, 9, 100, 256, 257, 299}) {
      std::vector<float> y(m * c.outputs);
      linear.forward(Rows<const float>(c.x.data(), 300, c.inputs).rows(300 - m, 300),
                     Rows<float>(y.data(), m, c.outputs));
      REQUIRE(std::memcmp(y.data(), all.data() + (300 - m) * c.outputs, y.size() * sizeof(float)) == 0);
    }
  }
}

TEST_CASE("linear: rows may lie apart, and several threads may share one layer") {
  const Case c(40, 64, 64);
  for (const ProductBackend backend : {ProductBackend::own, ProductBackend::onednn}) {
    const Linear linear(c.weight, {}, c.inputs, c.outputs, Finish::bias, kernels(), Precision::f32, backend);
    std::vector<float> tight(40 * 64), wide(40 * 200, -1), x(40 * 100);
    linear.forward(Rows<const float>(c.x.data(), 40, 64), Rows<float>(tight.data(), 40, 64));
    for (std::size_t i = 0; i < 40; ++i) std::copy_n(c.x.data() + i * 64, 64, x.data() + i * 100);
    std::vector<std::thread> threads;
    for (std::size_t part = 0; part < 4; ++part) {
      threads.emplace_back([&, part] {
        linear.forward(Rows<const float>(x.data() + part * 1000, 10, 64, 100),
                       Rows<float>(wide.data() + part * 2000, 10, 64, 200));
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (std::size_t i = 0; i < 40; ++i) {
      REQUIRE(std::memcmp(wide.data() + i * 200, tight.data() + i * 64, 64 * sizeof(float)) == 0);
      REQUIRE(wide[i * 200 + 64] == -1);
    }
  }
}

TEST_CASE("linear: weights that lie by input give the same bytes, and so do those that replace others") {
  for (const Kernels* kernels : kernels_of_machine()) {
    for (const ProductBackend backend : {ProductBackend::own, ProductBackend::onednn}) {
      for (const Case& c : {Case(1, 1, 1), Case(5, 3, 17), Case(30, 70, 259)}) {
        const auto product = [&](const Linear& linear) {
          std::vector<float> y(c.y.size());
          linear.forward(Rows<const float>(c.x.data(), c.rows, c.inputs), Rows<float>(y.data(), c.rows, c.outputs));
          return y;
        };
        const auto made = [&](const std::vector<float>& weight, const std::vector<float>& bias, WeightOrder order) {
          return Linear(weight, bias, c.inputs, c.outputs, Finish::bias, *kernels, Precision::f32, backend, order);
        };
        std::vector<float> turned(c.weight.size());
        for (std::size_t i = 0; i < c.outputs; ++i) {
          for (std::size_t j = 0; j < c.inputs; ++j) turned[j * c.outputs + i] = c.weight[i * c.inputs + j];
        }
        const auto expected = product(made(c.weight, c.bias, WeightOrder::by_output));
        CHECK(product(made(turned, c.bias, WeightOrder::by_input)) == expected);
        const std::vector<float> other(c.weight.size(), 0.5F), none;
        for (const WeightOrder order : {WeightOrder::by_output, WeightOrder::by_input}) {
          Linear linear = made(other, none, order);
          CHECK(product(linear) != expected);
          linear.replace(order == WeightOrder::by_input ? turned : c.weight, c.bias);
          CHECK(product(linear) == expected);
        }
      }
    }
  }
  const Case c(1, 2, 3);
  CHECK_THROWS_AS(Linear(c.weight, c.bias, 3, 3, Finish::bias, kernels()), std::logic_error);
}

TEST_CASE("linear: bfloat16 weights that lie by input give the bytes of those that lie by output") {
  for (const Kernels* kernels : kernels_of_machine()) {
    if (!has(*kernels, Precision::bf16)) continue;
    for (const Case& c : {Case(1, 2, 1), Case(5, 4, 17), Case(30, 70, 259)}) {
      std::vector<float> turned(c.weight.size());
      for (std::size_t i = 0; i < c.outputs; ++i) {
        for (std::size_t j = 0; j < c.inputs; ++j) turned[j * c.outputs + i] = c.weight[i * c.inputs + j];
      }
      Operand operand(*kernels, Precision::bf16);
      const auto product = [&](const std::vector<float>& weight, WeightOrder order) {
        const Linear linear(weight, c.bias, c.inputs, c.outputs, Finish::bias, *kernels, Precision::bf16,
                            ProductBackend::own, order);
        std::vector<float> y(c.y.size());
        linear.forward(operand.of_floats({c.x.data(), c.rows, c.inputs}), Rows<float>(y.data(), c.rows, c.outputs));
        return y;
      };
      CHECK(product(turned, WeightOrder::by_input) == product(c.weight, WeightOrder::by_output));
    }
  }
  const Case c(1, 4, 4);
  CHECK_THROWS_AS(Linear(c.weight, c.bias, 4, 4, Finish::bias, kernels(), Precision::int8, ProductBackend::own,
                         WeightOrder::by_input),
                  std::logic_error);
}
