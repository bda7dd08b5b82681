// The picture of a run of training.
#pragma once

#include <string>

#include "train/learning_curve.h"

namespace mt {

// Loss, and beside it accuracy where classes are learned, over steps: the training batches' (what is minimised, with
// smoothing, weights and augmentation) and the validation samples'; a dotted line at the step that was kept. The loss
// has a logarithmic axis where it falls by more than a factor of 30. As SVG (evaluate/svg.h).
std::string learning_svg(const LearningCurve& curve);

}  // namespace mt
