#include "train/training_samples.h"

#include <fmt/format.h>

#include "base/text.h"

namespace mt {

void check_classes(const HeadTrainingSettings& settings, const std::vector<std::string>& dropped,
                   const std::vector<std::string>& names, std::size_t samples, Progress& progress) {
  if (!dropped.empty()) {
    progress.note(
        fmt::format("{} of the classes have no samples and are left out: {}", dropped.size(), listed(dropped)));
  }
  if (names.size() < 2) {
    throw Error(settings.features.front(),
                fmt::format("all {} labelled samples are of class \"{}\"", samples, printable(names.front())),
                "a head needs two classes or more");
  }
  if (settings.kind != HeadKind::nearest_mean && settings.kind != HeadKind::knn && !settings.class_weights.empty() &&
      settings.class_weights.size() != names.size()) {
    throw Error("--class-weights",
                fmt::format("gives {} weights, there are {} classes: {}", settings.class_weights.size(), names.size(),
                            listed(names)),
                "give one for each, in this order");
  }
}

std::string run_digest(const HeadTrainingSettings& settings, const Digest& set, const Moments& training,
                       const Moments& validation) {
  Sha256 hash;
  hash.update(settings.to_json().dump()).update(hex(set));
  for (const Moments* part : {&training, &validation}) {
    hash.update(std::as_bytes(std::span(part->mean())))
        .update(std::as_bytes(std::span<const double>(part->variance())));
  }
  return hex(hash.finish());
}

NetworkShape network_shape_of(const HeadTrainingSettings& settings, std::size_t inputs, std::size_t classes) {
  NetworkShape shape{.inputs = inputs, .outputs = classes, .hidden = {}};
  if (settings.kind == HeadKind::linear) return shape;
  shape.hidden = settings.hidden;
  shape.activation = settings.activation;
  shape.dropout = settings.dropout;
  return shape;
}

LoopSettings loop_settings_of(const HeadTrainingSettings& settings) {
  LoopSettings loop = settings.loop;
  loop.optimiser.kind = settings.optimiser;
  loop.select = settings.select;
  loop.schedule.epochs = static_cast<double>(loop.epochs);
  return loop;
}

}  // namespace mt
