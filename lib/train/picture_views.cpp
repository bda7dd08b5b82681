#include "train/picture_views.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/image_tokenizer.h"

namespace mt {

namespace {

// A part of the picture whose patches are rows from `first` on, as pixels [height, width, channels].
template <class T>
Tensor pixels_of(const Tensor& rows, std::size_t first, const PictureLayout& layout, const Rectangle& part) {
  const PatchPlaces places{layout.patch, layout.stored.width / layout.patch};
  Tensor pixels(rows.dtype(), {part.size.height, part.size.width, layout.channels});
  T* out = pixels.as<T>().data();
  for (std::size_t y = 0; y < part.size.height; ++y) {
    for (std::size_t x = 0; x < part.size.width; ++x) {
      for (std::size_t channel = 0; channel < layout.channels; ++channel) {
        const auto [patch, number] = places(channel, part.top + y, part.left + x);
        *out++ = rows.row<T>(first + patch)[number];
      }
    }
  }
  return pixels;
}

// The way back, of pictures of the size that is learned.
template <class T>
void cut_into(const Tensor& pixels, const PictureLayout& layout, Tensor& rows, std::size_t first) {
  const PatchPlaces places{layout.patch, layout.size.width / layout.patch};
  const T* in = pixels.as<T>().data();
  for (std::size_t y = 0; y < layout.size.height; ++y) {
    for (std::size_t x = 0; x < layout.size.width; ++x) {
      for (std::size_t channel = 0; channel < layout.channels; ++channel) {
        const auto [patch, number] = places(channel, y, x);
        rows.row<T>(first + patch)[number] = *in++;
      }
    }
  }
}

std::size_t patches_of(const PictureLayout& layout, Size size) {
  return size.height / layout.patch * (size.width / layout.patch);
}

}  // namespace

PictureViews::PictureViews(const Schema& patches, double least_area, std::uint64_t seed)
    : least_area_(least_area), seed_(seed) {
  if (!is_picture(patches.modality) || !patches.has_grid) {
    if (least_area > 0)
      throw UsageError("--augment",
                       fmt::format("crop is for pictures, these are patches of {}", printable(patches.modality)),
                       "leave it out");
    return;
  }
  PictureLayout layout = picture_layout_of(patches);
  if (least_area <= 0 && layout.stored == layout.size) return;
  filter_ = filter_named(patches.config.value("filter", "bicubic"));
  layout_ = std::move(layout);
}

std::size_t PictureViews::patches(std::size_t stored) const {
  return layout_ ? patches_of(*layout_, layout_->size) : stored;
}

// place(sample) tells which part of the picture is seen.
template <class Place>
void PictureViews::replace(Batch& batch, const Place& place) const {
  if (!layout_) return;
  const PictureLayout& layout = *layout_;
  const std::size_t samples = batch.samples(), seen = patches_of(layout, layout.size),
                    stored = patches_of(layout, layout.stored);
  const auto side = [&](std::size_t pixels) { return static_cast<std::int32_t>(pixels / layout.patch); };
  Tensor rows(batch.rows.dtype(), {samples * seen, batch.rows.columns()});
  std::vector<std::int64_t> offsets = {0};
  for (std::size_t s = 0; s < samples; ++s) {
    const std::size_t first = batch.row_begin(s);
    const auto grid = batch.grid.row<std::int32_t>(s);
    if (batch.row_end(s) - first != stored || grid[1] != side(layout.stored.height) ||
        grid[2] != side(layout.stored.width))
      throw Error(fmt::format("sample {}", s), "its patches are not those of one picture", "cut it anew");
    const Rectangle part = place(s);
    if (rows.dtype() == DType::u8)
      cut_into<std::uint8_t>(resize(pixels_of<std::uint8_t>(batch.rows, first, layout, part), layout.size, filter_),
                             layout, rows, s * seen);
    else
      cut_into<float>(resize(pixels_of<float>(batch.rows, first, layout, part), layout.size, filter_), layout, rows,
                      s * seen);
    grid[1] = side(layout.size.height);
    grid[2] = side(layout.size.width);
    offsets.push_back(static_cast<std::int64_t>((s + 1) * seen));
  }
  batch.rows = std::move(rows);
  batch.offsets = std::move(offsets);
  batch.centers = Tensor();  // of patches that are no more; pictures' embeddings do not look at them
}

void PictureViews::whole(Batch& batch) const {
  replace(batch, [&](std::size_t) { return Rectangle{0, 0, layout_->stored}; });
}

void PictureViews::crop(Batch& batch, std::span<const std::size_t> samples, std::uint64_t epoch) const {
  if (least_area_ <= 0) return whole(batch);
  replace(batch, [&](std::size_t s) {
    Random random(seed_, stream_of("crop", epoch, samples[s]));
    return drawn(random);
  });
}

Rectangle PictureViews::drawn(Random& random) const {
  constexpr int kTries = 10;
  const Size all = layout_->stored;
  const auto area = static_cast<double>(all.height * all.width);
  for (int i = 0; i < kTries; ++i) {
    const double wanted = area * random.uniform(least_area_, 1);
    const double ratio = std::exp(random.uniform(std::log(3.0 / 4), std::log(4.0 / 3)));
    const auto rounded = [](double side) { return static_cast<std::size_t>(std::max(1.0, std::round(side))); };
    const Size size{rounded(std::sqrt(wanted / ratio)), rounded(std::sqrt(wanted * ratio))};
    if (size.height > all.height || size.width > all.width) continue;
    const std::size_t top = random.below(all.height - size.height + 1), left = random.below(all.width - size.width + 1);
    return {top, left, size};
  }
  return {0, 0, all};
}

}  // namespace mt
