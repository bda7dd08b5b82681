#include "evaluate/report.h"

namespace mt {

namespace {

using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

}  // namespace

Json json_report(const ClassificationResult& result) {
  Json metrics = Json::object(), intervals = Json::object();
  for (const MetricResult& metric : result.metrics) {
    metrics[metric.key] = number(metric.value);
    if (metric.interval) intervals[metric.key] = {metric.interval->low, metric.interval->high};
  }
  Json classes = Json::array();
  for (const ClassResult& one : result.classes) {
    classes.push_back({{"name", one.name},
                       {"support", one.support},
                       {"predicted", one.predicted},
                       {"correct", one.correct},
                       {"precision", one.precision},
                       {"recall", one.recall},
                       {"f1", one.f1},
                       {"auroc", number(one.area)},
                       {"average_precision", number(one.average_precision)}});
  }
  Json confusion = Json::array();
  for (const ConfusionCell& cell : result.confusion) confusion.push_back({cell.label, cell.prediction, cell.count});
  Json calibration = Json::array();
  for (std::size_t b = 0; b < result.bins.size(); ++b) {
    const CalibrationBin& bin = result.bins[b];
    const auto n = static_cast<double>(bin.samples);
    calibration.push_back({{"low", static_cast<double>(b) / kCalibrationBins},
                           {"high", static_cast<double>(b + 1) / kCalibrationBins},
                           {"samples", bin.samples},
                           {"accuracy", bin.samples == 0 ? Json(nullptr) : Json(static_cast<double>(bin.correct) / n)},
                           {"confidence", bin.samples == 0 ? Json(nullptr) : Json(bin.confidence / n)}});
  }
  Json report;
  report["samples"] = result.samples;
  report["labelled"] = result.labelled;
  report["metrics"] = std::move(metrics);
  report["intervals"] = std::move(intervals);
  report["bootstrap"] = {{"resamples", result.bootstrap.resamples},
                         {"seed", result.bootstrap.seed},
                         {"confidence", result.bootstrap.confidence}};
  report["classes"] = std::move(classes);
  report["confusion"] = std::move(confusion);
  report["calibration"] = std::move(calibration);
  return report;
}

}  // namespace mt
