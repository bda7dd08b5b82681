#include "tokenize/modality.h"
#include "tokenize/series.h"

namespace mt::tokenize {

Modality time_series_modality() {
  const SeriesKind kind{"time-series", "step", false, true};
  return {
      "time-series",
      "series to classify or to forecast: .ts, .arff, .tsv, NPY, NPZ, CSV with dates",
      {"mt-tokenize",
       "time-series [options] INPUT... -o TOKENS",
       "Turn time series into tokens: scaled by training statistics, cut into steps or patches, embedded.",
       {"mt-tokenize time-series vowels_TRAIN.ts --fit vowels.h5 --model b16.h5 -o train.tokens.h5",
        "mt-tokenize time-series vowels_TEST.ts --model vowels.h5 -o test.tokens.h5",
        "mt-tokenize time-series load.csv --context 96 --horizon 96 --split test --model load.h5 -o test.tokens.h5"},
       {"mt-tokenize(1)", "mt-tokenize-imu(1)", "mt-encode(1)", "mt-train-head(1)", "mt-format(5)"}},
      [kind](CLI::App& app) { return describe_series(app, kind); }};
}

}  // namespace mt::tokenize
