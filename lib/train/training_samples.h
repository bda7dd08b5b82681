// What every way of training does with its files: opens them, joins classes, holds out. Set: FeatureSet or SampleSet.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/error.h"
#include "base/progress.h"
#include "train/head_training.h"
#include "train/hold_out.h"

namespace mt {

// Throws Error when there is a single class, or as many --class-weights as there are no classes. dropped: classes
// without samples, which are told.
void check_classes(const HeadTrainingSettings& settings, const std::vector<std::string>& dropped,
                   const std::vector<std::string>& names, std::size_t samples, Progress& progress);

// Adds settings.features to the set. Throws Error too: what Set::add throws.
template <class Set>
void open_training_files(Set& set, const HeadTrainingSettings& settings, Progress& progress) {
  for (const std::string& name : settings.features) set.add(name);
  const std::vector<std::string> dropped = set.drop_empty_classes();
  check_classes(settings, dropped, set.class_names(), set.samples(), progress);
}

// Whether validation samples come from the training files.
inline bool holds_out(const HeadTrainingSettings& settings) {
  return settings.validation_files.empty() && settings.validation > 0;
}

// Which samples train and which validate: those of settings.validation_files, which are added, or a share held out.
template <class Set>
HoldOut divide_samples(Set& set, const HeadTrainingSettings& settings, Progress& progress) {
  const std::size_t samples = set.samples();
  HoldOut parts;
  if (holds_out(settings)) {
    std::vector<std::int32_t> labels(samples);
    for (std::size_t i = 0; i < samples; ++i) labels[i] = set.label(i);
    const std::vector<std::uint32_t> groups =
        settings.group.empty() ? std::vector<std::uint32_t>{} : read_groups(set, settings.group);
    parts = hold_out(labels, std::max<std::size_t>(1, set.class_names().size()), groups, settings.validation,
                     settings.seed);
  } else {
    parts.train.resize(samples);
    std::iota(parts.train.begin(), parts.train.end(), std::size_t{0});
    for (const std::string& name : settings.validation_files) set.add(name, true);
    parts.validation.resize(set.samples() - samples);
    std::iota(parts.validation.begin(), parts.validation.end(), samples);
  }
  if (set.unlabelled() > 0) progress.note(std::to_string(set.unlabelled()) + " samples without a label are left out");
  return parts;
}

// Digest, in hex, of everything that decides a head learned from features: settings, what the files state of
// themselves, and moments of the features themselves, of training and validation samples.
std::string run_digest(const HeadTrainingSettings& settings, const Digest& set, const Moments& training,
                       const Moments& validation);

// Of a linear head or an mlp.
NetworkShape network_shape_of(const HeadTrainingSettings& settings, std::size_t inputs, std::size_t classes);
// The loop's settings, those included that HeadTrainingSettings keeps beside it.
LoopSettings loop_settings_of(const HeadTrainingSettings& settings);

}  // namespace mt
