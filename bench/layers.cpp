// Each kernel against its own limit: products and attention against the instruction peak, rows against a copy of the
// same bytes.
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "base/tensor.h"
#include "encoder/encoder.h"
#include "layers/attention.h"
#include "layers/linear.h"
#include "layers/operand.h"
#include "limits.h"
#include "sections.h"

namespace mt::bench {

namespace {

constexpr std::size_t kWidth = 768, kHeads = 12, kTokens = 197;

std::vector<float> normal(std::size_t n, float deviation) {
  std::vector<float> values(n);
  Random(1, n).fill_normal(values, 0, deviation);
  return values;
}

// What passes between layers in a precision, filled with normal numbers.
struct Activations {
  std::vector<float> exact;
  std::vector<BFloat16> narrow;
  AnyRows rows;

  Activations(std::size_t count, std::size_t width, bool is_narrow) : exact(normal(count * width, 1)) {
    if (is_narrow) {
      narrow.resize(exact.size());
      for (std::size_t i = 0; i < exact.size(); ++i) narrow[i] = to_bfloat16(exact[i]);
    }
    rows = AnyRows(is_narrow ? static_cast<void*>(narrow.data()) : exact.data(), is_narrow, count, width);
  }
};

bool passes_narrow(Precision precision) { return precision != Precision::f32 && narrows(kernels()); }

struct Shape {
  const char* name;
  std::size_t inputs, outputs;
  Finish finish;
};

// One product as the encoder makes it, weights of several layers in turn so that they come from where they come from
// there.
Against product(const Settings& settings, Precision precision, std::size_t threads, const Shape& shape,
                std::size_t rows) {
  constexpr std::size_t kLayers = 6;
  const auto weights = normal(shape.inputs * shape.outputs, 0.05f);
  std::vector<Linear> layers;
  for (std::size_t i = 0; i < kLayers; ++i) {
    layers.emplace_back(weights, std::span<const float>{}, shape.inputs, shape.outputs, shape.finish, kernels(),
                        precision);
  }
  const bool narrow = passes_narrow(precision);
  Activations x(rows, shape.inputs, narrow);
  std::vector<Operand> operands;
  std::vector<Activations> y;
  std::vector<OperandRows> made;
  for (std::size_t i = 0; i < threads; ++i) {
    operands.emplace_back(kernels(), precision);
    y.emplace_back(rows, shape.outputs, narrow && shape.finish != Finish::bias_add);
  }
  for (Operand& operand : operands) made.push_back(operand.of(x.rows));
  const double operations = 2.0 * static_cast<double>(kLayers * rows * shape.inputs * shape.outputs);
  return against_peak(settings, precision, threads, operations, [&](std::size_t i) {
    for (const Linear& layer : layers) layer.forward(made[i], y[i].rows);
  });
}

void products(const Settings& settings, Table& table) {
  const Shape shapes[] = {{"query, key or value 768 -> 768", kWidth, kWidth, Finish::bias},
                          {"attention's output 768 -> 768, added", kWidth, kWidth, Finish::bias_add},
                          {"MLP 768 -> 3072, GELU", kWidth, 4 * kWidth, Finish::bias_gelu},
                          {"MLP 768 -> 3072, no GELU", kWidth, 4 * kWidth, Finish::bias},
                          {"MLP 3072 -> 768, added", 4 * kWidth, kWidth, Finish::bias_add}};
  for (const Precision precision : settings.precisions) {
    for (const Shape& shape : shapes) {
      const Against result = product(settings, precision, 1, shape, kTokens);
      table.add({"products, 197 rows",
                 fmt::format("{} {}", name_of(precision), shape.name),
                 1,
                 result.rate,
                 "GFLOP/s",
                 result.peak,
                 {},
                 ""});
    }
  }
}

// Attention of one sequence, all heads, in the pieces that the encoder takes.
double attention_rate(const Settings& settings, std::size_t tokens, bool narrow) {
  const std::size_t offsets[] = {0, tokens};
  Activations q(tokens, kWidth, narrow), k(tokens, kWidth, narrow), v(tokens, kWidth, narrow),
      y(tokens, kWidth, narrow);
  KeysAndValues kv;
  kv.reshape(offsets, kHeads, kWidth / kHeads, narrow, kernels());
  const Attention attention(kHeads, kWidth / kHeads, 0.125f);
  Aligned<float> scratch;
  const double seconds = seconds_of(settings, [&] {
    kv.store(0, k.rows, v.rows);
    for (std::size_t begin = 0; begin < tokens; begin += 256) {
      const std::size_t end = std::min(tokens, begin + 256);
      attention.forward(begin, q.rows.rows(begin, end), kv, y.rows.rows(begin, end), scratch);
    }
  });
  return 4 * static_cast<double>(tokens * tokens * kWidth) / seconds * 1e-9;
}

void attention(const Settings& settings, Table& table) {
  for (const Precision precision : settings.precisions) {
    const bool other = precision == Precision::f32 || (precision == Precision::bf16 && passes_narrow(precision));
    if (!other) continue;  // the attention of int8, and of widened bfloat16, is one of these two
    const double limit = product(settings, precision, 1, {"", kWidth, kWidth, Finish::bias}, 256).rate;
    for (const std::size_t tokens : {197, 1568, 4096}) {
      table.add({"attention, 12 heads of 64, against the product's rate",
                 fmt::format("{} {} tokens", name_of(precision), tokens),
                 1,
                 attention_rate(settings, tokens, precision == Precision::bf16),
                 "GFLOP/s",
                 limit,
                 {},
                 ""});
    }
  }
}

void rows(const Settings& settings, Table& table) {
  const std::string section = "rows of 768, 197 of them, against a copy of as many bytes";
  const std::size_t elements = kTokens * kWidth;
  Activations x(kTokens, kWidth, false), y(kTokens, kWidth, false), narrow(kTokens, kWidth, true);
  const auto gain = normal(kWidth, 1), bias = normal(kWidth, 1);
  const auto rate = [&](double bytes, const std::function<void()>& work) {
    return bytes * static_cast<double>(elements) / seconds_of(settings, work) * 1e-9;
  };
  const double limit = copy_rate(settings, 1, elements * sizeof(float));
  table.add({section,
             "layer norm, f32 to f32",
             1,
             rate(8,
                  [&] {
                    kernels().layer_norm(x.exact.data(), kTokens, kWidth, gain.data(), bias.data(), 1e-5f,
                                         y.exact.data());
                  }),
             "GB/s",
             limit,
             {},
             ""});
  std::vector<Precision> operands = settings.precisions;
  for (const Precision precision : operands) {
    Operand operand(kernels(), precision);
    const LayerNorm norm{gain, bias, 1e-5f};
    const Precision stored = left_precision(precision, kernels());
    const double bytes = stored == Precision::f32 ? 8 : stored == Precision::bf16 ? 6 : 5;
    table.add({section,
               fmt::format("layer norm into {} operand", name_of(precision)),
               1,
               rate(bytes, [&] { operand.of_normed(norm, Rows<const float>(x.exact.data(), kTokens, kWidth)); }),
               "GB/s",
               limit,
               {},
               ""});
    if (precision == Precision::int8) {
      AnyRows from = passes_narrow(precision) ? narrow.rows : x.rows;
      table.add({section,
                 "quantise to int8",
                 1,
                 rate(from.narrow ? 3 : 5, [&] { operand.of(from); }),
                 "GB/s",
                 limit,
                 {},
                 ""});
    }
  }
}

}  // namespace

void measure_layers(const Settings& settings, Table& table) {
  products(settings, table);
  attention(settings, table);
  rows(settings, table);
}

}  // namespace mt::bench
