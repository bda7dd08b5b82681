// The options and the work that time series and IMU share.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/run.h"
#include "tokenize/sequences.h"

namespace mt::tokenize {

struct SeriesKind {
  std::string modality;   // "time-series", "imu"
  std::string embedding;  // unless asked for otherwise
  bool cls = false;       // likewise
  bool forecasts = false;
};

cli::Action describe_series(CLI::App& app, const SeriesKind& kind);

}  // namespace mt::tokenize
