#include "tokenize/modality.h"
#include "tokenize/series.h"

namespace mt::tokenize {

Modality imu_modality() {
  const SeriesKind kind{"imu", "block", true, false};
  return {
      "imu",
      "accelerometers, gyroscopes: CSV recordings, .ts, .arff, NPY, NPZ",
      {"mt-tokenize",
       "imu [options] INPUT... -o TOKENS",
       "Turn recordings of inertial sensors into tokens: windows, scaled by training statistics, cut into blocks.",
       {"mt-tokenize imu motions_TRAIN.ts --fit motions.h5 --model b16.h5 -o train.tokens.h5",
        "mt-tokenize imu walk.csv --window 64 --stride 32 --label-column activity --model walk.h5 -o walk.tokens.h5"},
       {"mt-tokenize(1)", "mt-tokenize-time-series(1)", "mt-encode(1)", "mt-format(5)"}},
      [kind](CLI::App& app) { return describe_series(app, kind); }};
}

}  // namespace mt::tokenize
