#include "train/picture_layout.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

constexpr std::size_t kLargestSide = 65536;

}  // namespace

PictureLayout picture_layout_of(const Schema& patches) {
  PictureLayout layout;
  try {
    layout.patch = patches.config.at("patch").get<std::size_t>();
    const auto side_of = [&](const char* name) {
      const auto sides = patches.config.at(name).get<std::vector<std::size_t>>();
      return Size{sides.at(0), sides.at(1)};
    };
    layout.stored = side_of("size");
    layout.size = patches.config.contains("learn_size") ? side_of("learn_size") : layout.stored;
    layout.normalization.mean = patches.config.at("mean").get<std::vector<float>>();
    layout.normalization.std = patches.config.at("std").get<std::vector<float>>();
  } catch (const std::exception&) {
    throw Error("patches", "do not say how their pictures were cut", "make them with mt-tokenize --patches");
  }
  const std::size_t area = layout.patch * layout.patch;
  layout.channels = area == 0 ? 0 : patches.width / area;
  const auto whole = [&](Size size) {
    return size.height > 0 && size.width > 0 && size.height <= kLargestSide && size.width <= kLargestSide &&
           size.height % layout.patch == 0 && size.width % layout.patch == 0;
  };
  if (layout.patch > kLargestSide || layout.channels == 0 || layout.channels * area != patches.width ||
      !whole(layout.stored) || !whole(layout.size)) {
    throw Error("patches", fmt::format("{} numbers are no patch of side {}", patches.width, layout.patch),
                "make them with mt-tokenize --patches");
  }
  for (std::vector<float>* numbers : {&layout.normalization.mean, &layout.normalization.std}) {
    if (numbers->size() == layout.channels) continue;
    // One channel where the model had three: their mean, as mt-tokenize took it.
    double sum = 0;
    for (const float number : *numbers) sum += number;
    numbers->assign(layout.channels,
                    static_cast<float>(sum / static_cast<double>(std::max<std::size_t>(1, numbers->size()))));
  }
  for (const float deviation : layout.normalization.std) {
    if (!(deviation > 0)) throw Error("patches", "have a standard deviation that is not positive", "make them anew");
  }
  return layout;
}

}  // namespace mt
