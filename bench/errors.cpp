// What bfloat16 and int8 cost: how far the residual stream is from float32's after each block, on seeded weights.
#include <cmath>

#include <fmt/format.h>

#include "base/random.h"
#include "encoder/encoder.h"
#include "encoder/random_model.h"
#include "sections.h"

namespace mt::bench {

namespace {

double relative_error(const Tensor& a, const Tensor& exact) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double e = static_cast<double>(exact.as<float>()[i]), d = static_cast<double>(a.as<float>()[i]) - e;
    error += d * d;
    size += e * e;
  }
  return std::sqrt(error / size);
}

}  // namespace

void measure_errors(const Settings& settings, Table& table) {
  for (const std::string& size : settings.sizes) {
    const Model model = random_model(size, 1);
    const Architecture a = architecture_of(model.part("encoder"));
    const std::int64_t length = size == "b16" ? 197 : 257, offsets[] = {0, length};
    Tensor tokens(DType::f32, {static_cast<std::size_t>(length), a.width});
    Random(1, 6).fill_normal(tokens.as<float>(), 0, 1);
    ThreadPool pool(settings.threads.back());
    EncodeOptions options;
    options.pooling = Pooling::tokens;
    options.prefix = 0;
    const auto exact = make_cpu_encoder(model.part("encoder"), pool);
    for (const Precision precision : settings.precisions) {
      if (precision == Precision::f32) continue;
      const auto encoder = make_cpu_encoder(model.part("encoder"), pool, precision);
      for (std::size_t block = 1; block <= a.blocks; ++block) {
        if (block != 1 && block % (a.blocks / 6) != 0) continue;
        options.layers = block;
        const double error =
            relative_error(encoder->encode(tokens, offsets, options), exact->encode(tokens, offsets, options));
        table.add({fmt::format("relative error against f32, {} with seeded weights", size),
                   fmt::format("{} after block {}", name_of(precision), block),
                   pool.size(),
                   error,
                   "",
                   {},
                   {},
                   ""});
      }
    }
  }
}

}  // namespace mt::bench
