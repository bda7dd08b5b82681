// Pictures of how well a head scores, as SVG (evaluate/svg.h).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "evaluate/classification.h"

namespace mt {

// Rows are true classes, columns predictions; the shade is the share of the row. Counts are written into the cells of
// up to 24 classes, names beside up to 60; every cell tells them on hovering.
std::string confusion_svg(std::span<const ConfusionCell> cells, const std::vector<std::string>& classes);

// Accuracy against confidence in 15 bins; the width of a bar tells how many samples it stands for.
std::string reliability_svg(const ClassificationResult& result);

// Curves one against rest; of more than 8 classes those with the smallest areas. Of two classes the second.
std::string roc_svg(const ClassificationResult& result);

}  // namespace mt
