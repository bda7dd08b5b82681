#include "encoder/pooling.h"

#include <vector>

#include <doctest/doctest.h>

#include "support/differentiable.h"
#include "support/plain_tower.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr std::size_t kTokens = 6, kWidth = 5, kPrefix = 2;

Tensor row(const std::vector<float>& values) {
  return Tensor::of<float>({values.size()}, std::span<const float>(values));
}

std::vector<double> plain(const Doubles& o, Pooling pooling, bool norms, Architecture::Norm when) {
  Part part;
  part.tensors["norm.weight"] = Tensor::of<double>({kWidth}, std::span<const double>(o[1]));
  part.tensors["norm.bias"] = Tensor::of<double>({kWidth}, std::span<const double>(o[2]));
  const bool after = when == Architecture::Norm::after_pooling;
  part.config = {{"norm", !norms ? "none" : (after ? "after_pooling" : "before_pooling")},
                 {"pooling", std::string(name_of(pooling))},
                 {"eps", 0.01}};
  test::Rows rows;
  for (std::size_t t = 0; t < kTokens; ++t) rows.emplace_back(&o[0][t * kWidth], &o[0][t * kWidth] + kWidth);
  if (pooling != Pooling::tokens) return pooled(part, rows, kPrefix);
  std::vector<double> all;
  for (std::size_t t = kPrefix; t < kTokens; ++t) {
    const Row out = norms ? normed(rows[t], part, "norm", 0.01) : rows[t];
    all.insert(all.end(), out.begin(), out.end());
  }
  return all;
}

Differentiable layer_of(Pooling pooling, bool norms, Architecture::Norm when) {
  Differentiable layer;
  layer.name = std::string(name_of(pooling)) + (norms ? " with norm" : " without norm");
  layer.operands = {normal_values(kTokens * kWidth, 1), normal_values(kWidth, 2), normal_values(kWidth, 3)};
  layer.outputs = kWidth * (pooling == Pooling::tokens ? kTokens - kPrefix : 1);
  layer.adds = {false, true, true};
  layer.tolerance = 3e-5;  // divided by deviations of five numbers
  layer.plain = [=](const Doubles& o) { return plain(o, pooling, norms, when); };
  layer.forward = [=, outputs = layer.outputs](const Floats& o) {
    std::vector<float> x = o[0], y(outputs);
    const LayerNorm norm{o[1], o[2], 0.01F};
    pool({x.data(), kTokens, kWidth}, nullptr, pooling, kPrefix, norms ? &norm : nullptr, when, kernels(), y.data());
    return y;
  };
  layer.backward = [=](const Floats& o, const std::vector<float>& dy, Floats& g) {
    TrainableLayerNorm norm("norm", row(o[1]), row(o[2]), 0.01F);
    norm.gain.gradient = row(g[1]);
    norm.bias.gradient = row(g[2]);
    pool_backward({o[0].data(), kTokens, kWidth}, pooling, kPrefix, norms ? &norm : nullptr, when, dy.data(),
                  {g[0].data(), kTokens, kWidth});
    g[1].assign(norm.gain.gradient.as<float>().begin(), norm.gain.gradient.as<float>().end());
    g[2].assign(norm.bias.gradient.as<float>().begin(), norm.bias.gradient.as<float>().end());
  };
  return layer;
}

}  // namespace

TEST_CASE("pooling: forward and backward agree with double precision and central differences") {
  for (const Pooling pooling : {Pooling::cls, Pooling::mean, Pooling::max, Pooling::tokens, Pooling::eot}) {
    for (const auto when : {Architecture::Norm::before_pooling, Architecture::Norm::after_pooling}) {
      check_differentiable(layer_of(pooling, true, when));
    }
    check_differentiable(layer_of(pooling, false, Architecture::Norm::none));
  }
}
