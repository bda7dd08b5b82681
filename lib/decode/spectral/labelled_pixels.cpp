#include "decode/spectral/labelled_pixels.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/random.h"

namespace mt {

namespace {

constexpr std::size_t kBlockValues = std::size_t{1} << 20;

class Reader {
 public:
  Reader(const SpectralCube& labels, const PixelChoice& choice) : labels_(labels), choice_(choice) {}

  // The class name of a pixel; "": no sample.
  std::string name_of(std::span<const float> values, std::size_t pixel) const {
    return values.size() > 1 ? largest(values) : whole(values[0], pixel);
  }

 private:
  std::string largest(std::span<const float> abundances) const {
    const auto most = std::max_element(abundances.begin(), abundances.end(),
                                       [](float a, float b) { return a < b || (std::isnan(a) && !std::isnan(b)); });
    if (!(*most > 0)) return "";
    return named(static_cast<std::size_t>(most - abundances.begin()));
  }

  std::string whole(float value, std::size_t pixel) const {
    if (std::isnan(value) || static_cast<double>(value) == static_cast<double>(choice_.background)) return "";
    if (value != std::floor(value) || std::abs(value) > 1e6F) {
      throw Error(labels_.where(),
                  fmt::format("label {:g} of pixel {},{} is no whole number", value, pixel / labels_.size().columns,
                              pixel % labels_.size().columns),
                  "name the variable of the classes");
    }
    const auto number = static_cast<std::int64_t>(value);
    const std::vector<std::string>& known = choice_.class_names.empty() ? labels_.class_names() : choice_.class_names;
    // ENVI's names start at label 0, which is the background; names given count from 1.
    if (!choice_.class_names.empty()) {
      if (number < 1) throw Error(labels_.where(), fmt::format("label {} has no name", number), "give --background");
      return named(static_cast<std::size_t>(number - 1));
    }
    return number >= 0 && static_cast<std::size_t>(number) < known.size() ? known[static_cast<std::size_t>(number)]
                                                                          : std::to_string(number);
  }

  std::string named(std::size_t index) const {
    if (choice_.class_names.empty()) return std::to_string(index + 1);
    if (index < choice_.class_names.size()) return choice_.class_names[index];
    throw Error(labels_.where(),
                fmt::format("has a class {}, there are {} names", index + 1, choice_.class_names.size()),
                "name them all");
  }

  const SpectralCube& labels_;
  const PixelChoice& choice_;
};

}  // namespace

LabelledPixels choose_pixels(const SpectralCube& scene, const std::string& scene_file, const PixelChoice& choice) {
  LabelledPixels chosen;
  std::vector<std::string> names;
  std::vector<std::int32_t> classes;  // numbers of names
  chosen.labelled = !choice.labels.empty() || !choice.variable.empty();
  if (chosen.labelled) {
    const auto labels =
        open_spectral_cube(choice.labels.empty() ? scene_file : choice.labels, {choice.variable, scene.size()});
    const Reader reader(*labels, choice);
    const std::size_t columns = scene.size().columns, bands = labels->bands();
    const std::size_t at_once = std::max<std::size_t>(1, kBlockValues / std::max<std::size_t>(1, columns * bands));
    for (std::size_t row = 0; row < scene.size().rows; row += at_once) {
      throw_if_interrupted();
      const std::size_t end = std::min(row + at_once, scene.size().rows);
      const Tensor block = labels->read_rows(row, end);
      for (std::size_t i = 0; i < (end - row) * columns; ++i) {
        const std::size_t pixel = row * columns + i;
        const std::string name = reader.name_of(block.as<float>().subspan(i * bands, bands), pixel);
        if (name.empty()) continue;
        chosen.pixels.push_back(pixel);
        const auto known = std::find(names.begin(), names.end(), name);
        classes.push_back(static_cast<std::int32_t>(known - names.begin()));
        if (known == names.end()) names.push_back(name);
        if (names.size() > 10'000)
          throw Error(labels->where(), "has more than 10000 classes", "name the variable of the classes");
      }
    }
    if (chosen.pixels.empty()) throw Error(labels->where(), "labels no pixel", "see --background");
  } else {
    chosen.pixels.resize(scene.size().pixels());
    for (std::size_t i = 0; i < chosen.pixels.size(); ++i) chosen.pixels[i] = i;
  }

  std::vector<bool> training(chosen.pixels.size(), true);
  if (choice.fraction > 0) {
    training.assign(chosen.pixels.size(), false);
    Random random(choice.seed, stream_of("pixels for training"));
    const auto order = permutation(chosen.pixels.size(), random);
    const auto count = static_cast<std::size_t>(std::llround(choice.fraction * static_cast<double>(order.size())));
    for (std::size_t i = 0; i < count; ++i) training[order[i]] = true;
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < chosen.pixels.size(); ++i) {
    if (choice.fraction > 0 && training[i] == choice.test) continue;
    chosen.pixels[kept++] = chosen.pixels[i];
    if (chosen.labelled) chosen.labels.add(names[static_cast<std::size_t>(classes[i])]);
  }
  chosen.pixels.resize(kept);
  if (kept == 0) throw Error(scene.where(), "no pixel is left after the split", "choose another --split-fraction");
  chosen.labels.finish();
  return chosen;
}

}  // namespace mt
