// One modality of mt-tokenize: its texts and its options. Each has a source file of its name.
#pragma once

#include <functional>
#include <string>

#include "cli/run.h"

namespace mt::tokenize {

struct Modality {
  std::string name;    // the word on the command line
  std::string inputs;  // what it reads, for the list in mt-tokenize --help
  cli::About about;
  std::function<cli::Action(CLI::App&)> describe;
};

Modality image_modality();
Modality infrared_modality();
Modality xray_modality();
Modality time_series_modality();
Modality imu_modality();
Modality tabular_modality();
Modality text_modality();
Modality hyperspectral_modality();
Modality point_cloud_modality();
Modality graph_modality();
Modality audio_modality();
Modality video_modality();

}  // namespace mt::tokenize
