// Every layer of the encoder, forwards and back, against plain loops in double precision.
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "layers/activation.h"
#include "layers/attention.h"
#include "layers/packed_linear.h"
#include "layers/trainable_layer_norm.h"
#include "layers/trainable_linear.h"
#include "support/differentiable.h"

namespace mt {
namespace {

using namespace test;

Tensor matrix(const std::vector<float>& values, std::size_t columns) {
  return Tensor::of<float>({values.size() / columns, columns}, std::span<const float>(values));
}
Tensor row(const std::vector<float>& values) {
  return Tensor::of<float>({values.size()}, std::span<const float>(values));
}
std::vector<float> values_of(const Tensor& tensor) { return {tensor.as<float>().begin(), tensor.as<float>().end()}; }
void put(const Tensor& from, std::vector<float>& to) { to = values_of(from); }
Tensor gradient_of(const std::vector<float>& start, const Shape& shape) {
  return Tensor::of<float>(shape, std::span<const float>(start));
}

TEST_CASE("backward: trainable linear") {
  constexpr std::size_t kTokens = 4, kInputs = 7, kOutputs = 5;
  ThreadPool pool(2);
  Differentiable layer;
  layer.name = "trainable linear";
  layer.operands = {normal_values(kTokens * kInputs, 1), normal_values(kOutputs * kInputs, 2),
                    normal_values(kOutputs, 3)};
  layer.outputs = kTokens * kOutputs;
  layer.adds = {false, true, true};
  layer.plain = [](const Doubles& o) { return plain_linear(o[0], o[1], o[2]); };
  layer.forward = [&](const Floats& o) {
    Tensor y(DType::f32, {kTokens, kOutputs});
    TrainableLinear("layer", matrix(o[1], kInputs), row(o[2])).forward(matrix(o[0], kInputs), y, pool);
    return values_of(y);
  };
  layer.backward = [&](const Floats& o, const std::vector<float>& dy, Floats& g) {
    TrainableLinear linear("layer", matrix(o[1], kInputs), row(o[2]));
    linear.weight.gradient = gradient_of(g[1], {kOutputs, kInputs});
    linear.bias.gradient = gradient_of(g[2], {kOutputs});
    Tensor dx = matrix(g[0], kInputs);
    linear.backward(matrix(o[0], kInputs), matrix(dy, kOutputs), &dx, pool);
    put(dx, g[0]);
    put(linear.weight.gradient, g[1]);
    put(linear.bias.gradient, g[2]);
  };
  check_differentiable(layer);
}

// Sizes beyond one tile of its gradients in either direction, for the dimension that is said.
Differentiable packed_linear(std::size_t tokens, std::size_t inputs, std::size_t outputs) {
  Differentiable layer;
  layer.name = "packed linear";
  layer.operands = {normal_values(tokens * inputs, 1), normal_values(outputs * inputs, 2), normal_values(outputs, 3)};
  layer.outputs = tokens * outputs;
  layer.adds = {false, true, true};
  layer.plain = [](const Doubles& o) { return plain_linear(o[0], o[1], o[2]); };
  const auto made = [=](const Floats& o) {
    PackedLinear linear("layer", matrix(o[1], inputs), row(o[2]), {true, true, 0, true}, Random(1));
    linear.pack();
    return linear;
  };
  layer.forward = [=](const Floats& o) {
    std::vector<float> y(tokens * outputs);
    made(o).forward({o[0].data(), tokens, inputs}, {y.data(), tokens, outputs});
    return y;
  };
  layer.backward = [=](const Floats& o, const std::vector<float>& dy, Floats& g) {
    PackedLinear linear = made(o);
    const auto parameters = linear.parameters();
    parameters.at(0)->gradient = gradient_of(g[1], {outputs, inputs});
    parameters.at(1)->gradient = gradient_of(g[2], {outputs});
    linear.backward({dy.data(), tokens, outputs}, {g[0].data(), tokens, inputs});
    for (std::size_t tile = linear.gradient_tiles(); tile-- > 0;) {
      linear.add_gradients(tile, {o[0].data(), tokens, inputs}, {dy.data(), tokens, outputs});
    }
    put(parameters[0]->gradient, g[1]);
    put(parameters[1]->gradient, g[2]);
  };
  const auto narrow = [=] {
    std::vector<float> x(tokens * (inputs + 1)), y(tokens * outputs);
    made({x, normal_values(outputs * inputs, 2), y})
        .forward({x.data(), tokens, inputs + 1}, {y.data(), tokens, outputs});
  };
  layer.refused = {narrow, [] {
                     PackedLinear("layer", Tensor(DType::f32, {3, 4}), Tensor(DType::f32, {4}), {}, Random(1));
                   }};
  return layer;
}

TEST_CASE("backward: packed linear") {
  check_differentiable(packed_linear(5, 6, 7));
  check_differentiable(packed_linear(2, 1, 400));
  check_differentiable(packed_linear(1, 800, 2));
  check_differentiable(packed_linear(70, 3, 2));
}

TEST_CASE("backward: packed linear with an update of low rank") {
  constexpr std::size_t kTokens = 5, kInputs = 6, kOutputs = 7, kRank = 2;
  const std::vector<float> weight = normal_values(kOutputs * kInputs, 2), bias = normal_values(kOutputs, 3);
  Differentiable layer;
  layer.name = "LoRA";
  layer.operands = {normal_values(kTokens * kInputs, 1), normal_values(kRank * kInputs, 4),
                    normal_values(kOutputs * kRank, 5)};
  layer.outputs = kTokens * kOutputs;
  layer.adds = {false, true, true};
  layer.plain = [&](const Doubles& o) {
    std::vector<double> sum(weight.begin(), weight.end());
    for (std::size_t i = 0; i < kOutputs; ++i) {
      for (std::size_t j = 0; j < kInputs; ++j) {
        for (std::size_t r = 0; r < kRank; ++r) sum[i * kInputs + j] += o[2][i * kRank + r] * o[1][r * kInputs + j];
      }
    }
    return plain_linear(o[0], sum, {bias.begin(), bias.end()});
  };
  const auto made = [&](const Floats& o) {
    PackedLinear linear("layer", matrix(weight, kInputs), row(bias), {false, false, kRank, true}, Random(1));
    REQUIRE(linear.parameters().size() == 2);
    CHECK(linear.parameters()[0]->name == "layer.lora_a");
    linear.parameters()[0]->value = matrix(o[1], kInputs);
    linear.parameters()[1]->value = matrix(o[2], kRank);
    linear.pack();
    return linear;
  };
  layer.forward = [&](const Floats& o) {
    std::vector<float> y(kTokens * kOutputs);
    made(o).forward({o[0].data(), kTokens, kInputs}, {y.data(), kTokens, kOutputs});
    return y;
  };
  layer.backward = [&](const Floats& o, const std::vector<float>& dy, Floats& g) {
    PackedLinear linear = made(o);
    const auto parameters = linear.parameters();
    parameters[0]->gradient = gradient_of(g[1], {kRank, kInputs});
    parameters[1]->gradient = gradient_of(g[2], {kOutputs, kRank});
    linear.backward({dy.data(), kTokens, kOutputs}, {g[0].data(), kTokens, kInputs});
    for (std::size_t tile = 0; tile < linear.gradient_tiles(); ++tile) {
      linear.add_gradients(tile, {o[0].data(), kTokens, kInputs}, {dy.data(), kTokens, kOutputs});
    }
    put(parameters[0]->gradient, g[1]);
    put(parameters[1]->gradient, g[2]);
  };
  check_differentiable(layer);
}

TEST_CASE("packed linear: values that changed are used in both directions once they are packed") {
  const auto first = normal_values(12, 1), second = normal_values(12, 2), bias = normal_values(3, 3);
  const auto x = normal_values(8, 4), dy = normal_values(6, 5);
  const auto made = [&](const std::vector<float>& weight) {
    PackedLinear linear("layer", matrix(weight, 4), row(bias), {true, true, 0, true}, Random(1));
    linear.pack();
    return linear;
  };
  const auto both = [&](const PackedLinear& linear) {
    std::vector<float> y(6), dx(8);
    linear.forward({x.data(), 2, 4}, {y.data(), 2, 3});
    linear.backward({dy.data(), 2, 3}, {dx.data(), 2, 4});
    y.insert(y.end(), dx.begin(), dx.end());
    return y;
  };
  PackedLinear linear = made(first);
  const auto before = both(linear);
  linear.parameters().at(0)->value = matrix(second, 4);
  CHECK(both(linear) == before);
  linear.pack();
  CHECK(both(linear) == both(made(second)));
}

TEST_CASE("packed linear: bfloat16 rounds the weights of both products, and not the values that learn") {
  if (!has(kernels(), Precision::bf16)) return;
  // Eighths are bfloat16 numbers, so that operands lose nothing and the sums are exact.
  const auto eighths = [](std::size_t count, std::uint64_t stream) {
    auto values = normal_values(count, stream);
    for (float& value : values) value = std::round(value * 8) / 8;
    return values;
  };
  const auto weight = eighths(6 * 4, 1), bias = eighths(6, 2), x = eighths(5 * 4, 3), dy = eighths(5 * 6, 4);
  const auto both = [&](const std::vector<float>& of, Precision precision) {
    PackedLinear linear("layer", matrix(of, 4), row(bias), {true, true, 0, true, precision}, Random(1));
    linear.pack();
    std::vector<float> results(5 * 6 + 5 * 4);
    linear.forward({x.data(), 5, 4}, {results.data(), 5, 6});
    linear.backward({dy.data(), 5, 6}, {results.data() + 5 * 6, 5, 4});
    for (std::size_t tile = 0; tile < linear.gradient_tiles(); ++tile)
      linear.add_gradients(tile, {x.data(), 5, 4}, {dy.data(), 5, 6});
    for (const Parameter* parameter : linear.parameters()) {
      const auto gradient = parameter->gradient.as<float>();
      results.insert(results.end(), gradient.begin(), gradient.end());
    }
    const auto kept = linear.learned_weight();
    CHECK(std::ranges::equal(std::as_const(kept).as<float>(), of));
    return results;
  };
  const auto expected = both(weight, Precision::f32);
  CHECK(both(weight, Precision::bf16) == expected);
  std::vector<float> finer = weight;
  for (float& value : finer) value *= 1 + 0x1p-12F;  // less than half a step of bfloat16
  CHECK(both(finer, Precision::f32) != expected);
  CHECK(both(finer, Precision::bf16) == expected);
}

TEST_CASE("packed linear: frozen weights have neither gradients nor values that stay") {
  PackedLinear linear("layer", matrix(normal_values(12, 1), 4), row(normal_values(3, 2)), {}, Random(1));
  linear.pack();
  linear.pack();  // again: nothing to do
  CHECK(linear.parameters().empty());
  CHECK(linear.gradient_tiles() == 0);
  CHECK(linear.learned_weight().empty());
  CHECK(linear.learned_bias().empty());
}

TEST_CASE("backward: trainable layer norm") {
  for (const std::size_t width : {1, 5, 16, 37}) {
    constexpr std::size_t kTokens = 70;  // more than are summed at once
    Differentiable layer;
    layer.name = "layer norm of " + std::to_string(width);
    layer.operands = {normal_values(kTokens * width, 1), normal_values(width, 2), normal_values(width, 3)};
    layer.outputs = kTokens * width;
    layer.adds = {false, true, true};
    layer.tolerance = 3e-5;  // divided by deviations that may be small
    constexpr double kEps = 0.01;
    layer.plain = [width](const Doubles& o) {
      std::vector<double> y;
      const auto n = static_cast<double>(width);
      for (std::size_t t = 0; t < kTokens; ++t) {
        const double* x = o[0].data() + t * width;
        double mean = 0, variance = 0;
        for (std::size_t i = 0; i < width; ++i) mean += x[i] / n;
        for (std::size_t i = 0; i < width; ++i) variance += (x[i] - mean) * (x[i] - mean) / n;
        for (std::size_t i = 0; i < width; ++i) {
          y.push_back((x[i] - mean) / std::sqrt(variance + kEps) * o[1][i] + o[2][i]);
        }
      }
      return y;
    };
    const auto made = [](const Floats& o) {
      return TrainableLayerNorm("norm", row(o[1]), row(o[2]), static_cast<float>(kEps));
    };
    layer.forward = [=](const Floats& o) {
      Tensor y(DType::f32, {kTokens, width});
      made(o).forward(matrix(o[0], width), y);
      return values_of(y);
    };
    layer.backward = [=](const Floats& o, const std::vector<float>& dy, Floats& g) {
      TrainableLayerNorm norm = made(o);
      norm.gain.gradient = gradient_of(g[1], {width});
      norm.bias.gradient = gradient_of(g[2], {width});
      Tensor dx = matrix(g[0], width);
      norm.backward(matrix(o[0], width), matrix(dy, width), dx);
      put(dx, g[0]);
      put(norm.gain.gradient, g[1]);
      put(norm.bias.gradient, g[2]);
    };
    layer.refused = {[] { TrainableLayerNorm("norm", Tensor(DType::f32, {3}), Tensor(DType::f32, {4}), 1e-5F); }};
    check_differentiable(layer);
  }
}

TEST_CASE("layer norm: the gradient of what goes around it is added in the same pass") {
  constexpr std::size_t kWidth = 19;
  const TrainableLayerNorm norm("norm", row(normal_values(kWidth, 1)), row(normal_values(kWidth, 2)), 1e-5F);
  const auto x = normal_values(3 * kWidth, 3), dy = normal_values(3 * kWidth, 4),
             residual = normal_values(3 * kWidth, 5);
  std::vector<float> alone(3 * kWidth), dx = residual;
  const mt::Rows<const float> xs(x.data(), 3, kWidth), dys(dy.data(), 3, kWidth);
  norm.backward_rows(xs, dys, nullptr, {alone.data(), 3, kWidth}, nullptr);
  norm.backward_rows(xs, dys, dx.data(), {dx.data(), 3, kWidth}, nullptr);
  for (std::size_t i = 0; i < dx.size(); ++i) CHECK(dx[i] == doctest::Approx(residual[i] + alone[i]).epsilon(1e-5));
}

// softmax(scale q k^T) v of one head; operands: q, k, v [tokens, head].
std::vector<double> plain_attention(const Doubles& o, std::size_t tokens, std::size_t head, double scale) {
  std::vector<double> y(tokens * head), weight(tokens);
  for (std::size_t i = 0; i < tokens; ++i) {
    double most = -INFINITY, sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      weight[t] = 0;
      for (std::size_t d = 0; d < head; ++d) weight[t] += scale * o[0][i * head + d] * o[1][t * head + d];
      most = std::max(most, weight[t]);
    }
    for (double& w : weight) sum += w = std::exp(w - most);
    for (std::size_t t = 0; t < tokens; ++t) {
      for (std::size_t d = 0; d < head; ++d) y[i * head + d] += weight[t] / sum * o[2][t * head + d];
    }
  }
  return y;
}

Differentiable attention(std::size_t tokens, std::size_t head) {
  Differentiable layer;
  layer.name = "attention of " + std::to_string(tokens) + " tokens, head " + std::to_string(head);
  for (std::uint64_t i = 1; i <= 3; ++i) layer.operands.push_back(normal_values(tokens * head, i));
  layer.outputs = tokens * head;
  layer.adds = {false, false, false};
  constexpr float kScale = 0.4F;
  layer.plain = [=](const Doubles& o) { return plain_attention(o, tokens, head, static_cast<double>(kScale)); };
  layer.forward = [=](const Floats& o) {
    std::vector<float> y(tokens * head);
    Floats copy = o;
    const auto rows = [&](std::vector<float>& values) { return AnyRows(mt::Rows<float>(values.data(), tokens, head)); };
    KeysAndValues kv;
    const std::size_t offsets[] = {0, tokens};
    kv.reshape(offsets, 1, head, false, kernels());
    kv.store(0, rows(copy[1]), rows(copy[2]));
    Aligned<float> scratch;
    Attention(1, head, kScale).forward(0, rows(copy[0]), kv, rows(y), scratch);
    return y;
  };
  layer.backward = [=](const Floats& o, const std::vector<float>& dy, Floats& g) {
    const auto rows = [&](auto& values) { return mt::Rows(values.data(), tokens, head); };
    Aligned<float> scratch;
    Attention(1, head, kScale)
        .backward({rows(o[0]), rows(o[1]), rows(o[2])}, rows(dy), {rows(g[0]), rows(g[1]), rows(g[2])}, scratch);
  };
  layer.refused = {[=] {
    std::vector<float> x(tokens * head + head), y(tokens * head);
    const mt::Rows<const float> long_rows(x.data(), tokens + 1, head), rows(x.data(), tokens, head);
    const mt::Rows<float> out(y.data(), tokens, head);
    Aligned<float> scratch;
    Attention(1, head, kScale).backward({rows, long_rows, rows}, rows, {out, out, out}, scratch);
  }};
  return layer;
}

TEST_CASE("backward: attention") {
  for (const auto& [tokens, head] : {std::pair<std::size_t, std::size_t>{1, 4}, {2, 3}, {9, 16}, {17, 20}, {49, 8}}) {
    check_differentiable(attention(tokens, head));
  }
}

TEST_CASE("attention: the gradient of a long sequence, in blocks of queries, agrees with plain loops") {
  constexpr std::size_t kTokens = 1500, kHead = 4;
  const Differentiable layer = attention(kTokens, kHead);
  const auto dy = normal_values(kTokens * kHead, 99);
  Floats gradients(3, std::vector<float>(kTokens * kHead));
  layer.backward(layer.operands, dy, gradients);
  // dS of every query, in double precision.
  const auto &q = layer.operands[0], &k = layer.operands[1], &v = layer.operands[2];
  Doubles expected(3, std::vector<double>(kTokens * kHead));
  std::vector<double> p(kTokens), dp(kTokens);
  for (std::size_t i = 0; i < kTokens; ++i) {
    double sum = 0, along = 0;
    for (std::size_t t = 0; t < kTokens; ++t) {
      p[t] = dp[t] = 0;
      for (std::size_t d = 0; d < kHead; ++d) {
        p[t] += 0.4F * static_cast<double>(q[i * kHead + d]) * static_cast<double>(k[t * kHead + d]);
        dp[t] += static_cast<double>(dy[i * kHead + d]) * static_cast<double>(v[t * kHead + d]);
      }
      sum += p[t] = std::exp(p[t]);
    }
    for (std::size_t t = 0; t < kTokens; ++t) along += (p[t] /= sum) * dp[t];
    for (std::size_t t = 0; t < kTokens; ++t) {
      const double ds = p[t] * (dp[t] - along) * 0.4F;
      for (std::size_t d = 0; d < kHead; ++d) {
        expected[0][i * kHead + d] += ds * static_cast<double>(k[t * kHead + d]);
        expected[1][t * kHead + d] += ds * static_cast<double>(q[i * kHead + d]);
        expected[2][t * kHead + d] += p[t] * static_cast<double>(dy[i * kHead + d]);
      }
    }
  }
  for (std::size_t i = 0; i < 3; ++i) CHECK(relative_difference(gradients[i], expected[i]) < 2e-6);
}

}  // namespace
}  // namespace mt
