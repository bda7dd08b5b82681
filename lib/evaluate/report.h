// A classification result for people (text, a self-contained HTML page) and for programs (JSON).
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "evaluate/classification.h"

namespace mt {

// Where the numbers come from, for the foot of a report: ("head", "digits.h5"), ("mt-eval", "0.1.0").
using Provenance = std::vector<std::pair<std::string, std::string>>;

// Two aligned tables for a terminal: the metrics with their intervals, then the classes; of more than max_classes only
// those with the lowest F1. Names from files are made printable.
std::string text_report(const ClassificationResult& result, std::size_t max_classes);

// {"samples", "labelled", "metrics": {name: number or null}, "intervals": {name: [low, high]}, "bootstrap": {...},
//  "classes": [{"name", "support", "predicted", "correct", "precision", "recall", "f1", "auroc", "average_precision"}],
//  "confusion": [[label, prediction, count]], "calibration": [{"low", "high", "samples", "accuracy", "confidence"}]}
nlohmann::ordered_json json_report(const ClassificationResult& result);

// One page without scripts, fonts or any other file: metrics, confusion matrix, classes, reliability diagram, ROC
// curves. Follows the reader's light or dark setting. The same result gives the same bytes.
std::string html_report(const ClassificationResult& result, const std::string& title, const Provenance& provenance);

}  // namespace mt
