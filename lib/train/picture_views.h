// What training sees of the pictures that patches were cut from: all of them, or a random part, at the size that is
// learned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/random.h"
#include "store/batch.h"
#include "store/schema.h"
#include "train/picture_layout.h"

namespace mt {

class PictureViews {
 public:
  // least_area: of a crop, as a share of the picture; 0: no crops. Patches of other modalities, and of pictures in the
  // size that is learned without crops, stay as they are. Throws UsageError: crops of what is no picture.
  PictureViews(const Schema& patches, double least_area, std::uint64_t seed);

  // Of a sample as it is learned, which has so many in the file.
  std::size_t patches(std::size_t stored) const;
  // Resizes each picture as a whole.
  void whole(Batch& batch) const;
  // Resizes a random part of each, drawn for (epoch, sample): as torchvision's RandomResizedCrop, its area from
  // least_area to 1 of the picture's, its sides 3:4 to 4:3.
  void crop(Batch& batch, std::span<const std::size_t> samples, std::uint64_t epoch) const;

 private:
  Rectangle drawn(Random& random) const;
  template <class Place>
  void replace(Batch& batch, const Place& place) const;

  std::optional<PictureLayout> layout_;  // none: nothing to do
  double least_area_;
  std::uint64_t seed_;
  Filter filter_ = Filter::bicubic;
};

}  // namespace mt
