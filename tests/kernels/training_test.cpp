#include "kernels/training.h"

#include <cmath>
#include <functional>
#include <vector>

#include <doctest/doctest.h>

#include "kernels/aligned.h"
#include "kernels/isas.h"
#include "support/differentiable.h"

using namespace mt;
using namespace mt::test;

namespace {

std::vector<const TrainingKernels*> training_kernels_of_machine() {
  std::vector<const TrainingKernels*> all;
  for (const Kernels* kernels : kernels_of_machine()) all.push_back(&training_kernels_of(kernels->isa));
  return all;
}

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
double quick_gelu(double x) { return x / (1 + std::exp(-1.702 * x)); }

Differentiable activation(bool quick, const TrainingKernels& k) {
  Differentiable layer;
  layer.name = quick ? "quick gelu" : "gelu";
  layer.operands = {{-200, -20, -9, -5.6F, -5.4F, -3, -0.7F, -1e-3F, 0, 1e-3F, 0.3F, 1, 4, 5.4F, 5.6F, 12, 90, 2, -2}};
  layer.outputs = layer.operands[0].size();
  layer.adds = {false};
  layer.tolerance = 1e-6;
  layer.plain = [quick](const Doubles& o) {
    std::vector<double> y;
    for (const double x : o[0]) y.push_back(quick ? quick_gelu(x) : gelu(x));
    return y;
  };
  layer.forward = [quick, &k](const Floats& o) {
    std::vector<float> y(o[0].size());
    (quick ? k.quick_gelu : k.gelu)(o[0].data(), y.size(), y.data());
    return y;
  };
  layer.backward = [quick, &k](const Floats& o, const std::vector<float>& dy, Floats& g) {
    g[0] = dy;  // in place
    (quick ? k.quick_gelu_gradient : k.gelu_gradient)(o[0].data(), g[0].data(), dy.size(), g[0].data());
  };
  return layer;
}

}  // namespace

TEST_CASE("training kernels: activations and their slopes agree with double precision") {
  for (const TrainingKernels* k : training_kernels_of_machine()) {
    check_differentiable(activation(false, *k));
    check_differentiable(activation(true, *k));
  }
}

TEST_CASE("training kernels: all levels agree on the gradient of attention, also between other heads") {
  constexpr std::size_t kTokens = 67, kHead = 24, kStride = 3 * kHead + 5;
  const auto x = normal_values(kTokens * kStride, 1), dy = normal_values(kTokens * kStride, 2);
  std::vector<float> expected;
  for (const TrainingKernels* k : training_kernels_of_machine()) {
    std::vector<float> gradient(kTokens * kStride, 7);
    Aligned<float> scratch(attention_gradient_scratch(kTokens, kHead));
    AttentionGradientCall call;
    call.query = x.data() + 2;
    call.key = call.query + kHead;
    call.value = call.key + kHead;
    call.stride = call.dout_stride = call.gradient_stride = kStride;
    call.dout = dy.data() + 1;
    call.tokens = kTokens;
    call.head_size = kHead;
    call.scale = 0.3F;
    call.dquery = gradient.data() + 2;
    call.dkey = call.dquery + kHead;
    call.dvalue = call.dkey + kHead;
    call.scratch = scratch.data();
    k->attention_gradient(call);
    if (expected.empty()) expected = gradient;
    CHECK(relative_difference(gradient, expected) < 1e-5);
    for (std::size_t t = 0; t < kTokens; ++t) {  // what lies between the rows is somebody else's
      for (const std::size_t j : {std::size_t{0}, std::size_t{1}, 2 + 3 * kHead, kStride - 1}) {
        CHECK(gradient[t * kStride + j] == 7);
      }
    }
  }
}

TEST_CASE("training kernels: sums over rows and scaled branches agree with plain loops") {
  constexpr std::size_t kRows = 5, kStride = 43, kColumns = 37;
  const auto x = normal_values(kRows * kStride, 1), start = normal_values(kColumns, 2);
  for (const TrainingKernels* k : training_kernels_of_machine()) {
    std::vector<float> sum = start;
    k->column_sums(x.data(), kRows, kStride, kColumns, sum.data());
    for (std::size_t j = 0; j < kColumns; ++j) {
      double expected = static_cast<double>(start[j]);
      for (std::size_t r = 0; r < kRows; ++r) expected += static_cast<double>(x[r * kStride + j]);
      CHECK(static_cast<double>(sum[j]) == doctest::Approx(expected).epsilon(1e-5));
    }
    std::vector<float> y = start;
    k->add_scaled(y.data(), x.data(), 1.25F, kColumns, y.data());
    for (std::size_t j = 0; j < kColumns; ++j) CHECK(y[j] == doctest::Approx(start[j] + 1.25F * x[j]));
  }
}
