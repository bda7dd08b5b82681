#include "decode/array_pictures.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "decode/image_formats.h"

namespace mt {

namespace {

bool is_channels(std::size_t extent) { return extent >= 1 && extent <= 4; }

// [C, H, W] -> [H, W, C]
Tensor channels_last(const Tensor& planes, const PictureLayout& layout) {
  const std::size_t item = size_of(planes.dtype()), pixels = layout.height * layout.width;
  Tensor out(planes.dtype(), {layout.height, layout.width, layout.channels});
  for (std::size_t channel = 0; channel < layout.channels; ++channel) {
    const std::byte* from = planes.data() + channel * pixels * item;
    std::byte* to = out.mutable_data() + channel * item;
    for (std::size_t i = 0; i < pixels; ++i) std::memcpy(to + i * layout.channels * item, from + i * item, item);
  }
  return out;
}

Tensor as_pixels(Tensor values) {
  if (values.dtype() == DType::u8 || values.dtype() == DType::u16 || values.dtype() == DType::f32) return values;
  if (values.dtype() != DType::boolean) return values.to(DType::f32);
  Tensor grey(DType::u8, values.shape());
  const std::span<const bool> set = std::as_const(values).as<bool>();
  std::transform(set.begin(), set.end(), grey.as<std::uint8_t>().begin(),
                 [](bool b) { return static_cast<std::uint8_t>(b ? 255 : 0); });
  return grey;
}

}  // namespace

PictureLayout picture_layout(const Shape& shape, const std::string& where) {
  PictureLayout layout;
  if (shape.size() == 2) return {1, shape[0], shape[1], 1, true, false};
  if (shape.size() == 3 && (shape[2] == 1 || shape[2] == 3 || shape[2] == 4)) {
    return {1, shape[0], shape[1], shape[2], true, false};
  }
  if (shape.size() == 3) return {shape[0], shape[1], shape[2], 1, false, false};
  if (shape.size() == 4 && is_channels(shape[3])) return {shape[0], shape[1], shape[2], shape[3], false, false};
  if (shape.size() == 4 && is_channels(shape[1])) return {shape[0], shape[2], shape[3], shape[1], false, true};
  throw Error(where, fmt::format("has the shape {}, which is not one of pictures", to_string(shape)),
              "[H, W], [H, W, C], [N, H, W], [N, H, W, C] and [N, C, H, W] are read");
}

ArrayPictures::ArrayPictures(StoredArray array, const ImageLimits& limits) : array_(std::move(array)) {
  if (array_.header.is_text()) throw Error(array_.where, "holds text, not pictures");
  layout_ = picture_layout(array_.header.shape, array_.where);
  if (layout_.pictures == 0)
    throw Error(array_.where, fmt::format("holds no pictures: {}", to_string(array_.header.shape)));
  const std::size_t file_bytes = array_.elements.size();
  formats::check_extent(layout_.width, layout_.height, layout_.channels * sizeof(float), file_bytes, array_.where,
                        limits);
}

Image ArrayPictures::image(std::size_t i) const {
  Tensor values = layout_.single ? array_.all() : array_.row(i);
  if (layout_.channels_first) values = channels_last(values, layout_);
  Image image;
  image.pixels = as_pixels(std::move(values)).reshaped({layout_.height, layout_.width, layout_.channels});
  formats::require_finite(image, layout_.single ? array_.where : fmt::format("{}#{}", array_.where, i));
  return image;
}

Digest digest_of(const Image& image) {
  Sha256 digest;
  digest.update(fmt::format("{} {}\n", name_of(image.pixels.dtype()), to_string(image.pixels.shape())));
  return digest.update(image.pixels.bytes()).finish();
}

}  // namespace mt
