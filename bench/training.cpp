// Steps of training through B16: what the way back costs, in forwards.
#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/random.h"
#include "encoder/random_model.h"
#include "encoder/trainable_encoder.h"
#include "sections.h"

namespace mt::bench {

namespace {

constexpr std::size_t kTokens = 197, kBatch = 8;

struct Kind {
  const char* name;
  EncoderTraining::Scope scope;
  EncoderTraining::Recompute recompute;
  double goal;  // forwards
};
constexpr Kind kKinds[] = {
    {"frozen, activations kept", EncoderTraining::Scope::nothing, EncoderTraining::Recompute::never, 2.2},
    {"frozen, computed again", EncoderTraining::Scope::nothing, EncoderTraining::Recompute::always, 3.2},
    {"tuned, activations kept", EncoderTraining::Scope::all, EncoderTraining::Recompute::never, 3.2},
    {"tuned, computed again", EncoderTraining::Scope::all, EncoderTraining::Recompute::always, 4.2}};

}  // namespace

void measure_training(const Settings& settings, Table& table) {
  const Model model = random_model("b16", 1);
  Tensor tokens(DType::f32, {kBatch * kTokens, 768}), slopes(DType::f32, {kBatch, 768});
  Random(1, 2).fill_normal(tokens.as<float>(), 0, 1);
  Random(1, 3).fill_normal(slopes.as<float>(), 0, 1);
  std::vector<std::int64_t> offsets;
  for (std::size_t i = 0; i <= kBatch; ++i) offsets.push_back(static_cast<std::int64_t>(i * kTokens));
  const std::string section = fmt::format("steps of training, B16, {} x {} tokens", kBatch, kTokens);
  for (const std::size_t threads : settings.threads) {
    ThreadPool pool(threads);
    double forward = 0;
    for (const Kind& kind : kKinds) {
      EncoderTraining training;
      training.scope = kind.scope;
      training.recompute = kind.recompute;
      TrainableEncoder encoder(model.part("encoder"), training, pool);
      if (forward == 0) {
        forward = seconds_of(settings, [&] { encoder.evaluate(tokens, offsets, {}); });
        table.add({section, "forward", threads, forward / kBatch * 1e3, "ms/sample", {}, {}, ""});
      }
      const double step = seconds_of(settings, [&] {
        encoder.forward(tokens, offsets, {});
        encoder.backward(slopes);
        encoder.parameters_changed();  // where they learn, their packing is part of the step
      });
      table.add({section,
                 kind.name,
                 threads,
                 step / kBatch * 1e3,
                 "ms/sample",
                 {},
                 step / forward,
                 fmt::format("forwards, goal {:.1f}", kind.goal)});
    }
  }
}

}  // namespace mt::bench
