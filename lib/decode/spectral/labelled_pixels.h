// Which pixels of a scene are samples, and of which class.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "decode/class_labels.h"
#include "decode/spectral/spectral_cube.h"

namespace mt {

struct PixelChoice {
  std::string labels, variable;  // file and variable of the classes; both empty: there are none, all pixels count
  std::int64_t background = 0;   // label of pixels that are no samples
  std::vector<std::string> class_names;  // of labels 1, 2, ... (after the background), or of the abundances in order
  double fraction = 0;                   // of the samples, drawn for training; 0: no split
  bool test = false;                     // take the others
  std::uint64_t seed = 0;                // of the draw
};

// In raster order. labels are those of a label image, whole numbers ([rows, columns]), or the largest of abundances
// ([classes, pixels] and the like; ties: the first; none when all are 0). The draw takes round(fraction * n) of all
// labelled pixels, by the list and the seed alone. Held in memory: 8 bytes a sample.
struct LabelledPixels {
  std::vector<std::uint64_t> pixels;  // row * columns + column
  ClassLabels labels;                 // of them, in their order, finished
  bool labelled = false;
};
// Throws Error: labels of another size, fractions, class names that are too few.
LabelledPixels choose_pixels(const SpectralCube& scene, const std::string& scene_file, const PixelChoice& choice);

}  // namespace mt
