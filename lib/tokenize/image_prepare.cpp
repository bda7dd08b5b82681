#include "tokenize/image_prepare.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "tokenize/image_alpha.h"

namespace mt {

namespace {

// Python's round(): halves go to the even neighbour.
std::size_t rounded(double x) { return static_cast<std::size_t>(std::max(1.0, std::nearbyint(x))); }

// One axis of torchvision's center_crop and open_clip's center_crop_or_pad.
std::ptrdiff_t centered(std::size_t have, std::size_t want) {
  if (want > have) return -static_cast<std::ptrdiff_t>((want - have) / 2);
  return static_cast<std::ptrdiff_t>(std::nearbyint(static_cast<double>(have - want) / 2.0));
}

Size shortest_fitted(Size source, Size target) {
  const auto h = static_cast<double>(source.height), w = static_cast<double>(source.width);
  if (target.height == target.width) {
    const auto side = static_cast<double>(target.height);
    return source.width <= source.height ? Size{static_cast<std::size_t>(side * h / w), target.width}
                                         : Size{target.height, static_cast<std::size_t>(side * w / h)};
  }
  const double ratio = std::min(h / static_cast<double>(target.height), w / static_cast<double>(target.width));
  return {rounded(h / ratio), rounded(w / ratio)};
}

Size longest_fitted(Size source, Size target) {
  const auto h = static_cast<double>(source.height), w = static_cast<double>(source.width);
  const double ratio = std::max(h / static_cast<double>(target.height), w / static_cast<double>(target.width));
  return {rounded(h / ratio), rounded(w / ratio)};
}

// Pillow's mode L from RGB: fixed point with 16 bits. Deeper pictures in floating point.
Tensor grey_of(const Tensor& pixels) {
  const std::size_t height = pixels.shape()[0], width = pixels.shape()[1];
  if (pixels.dtype() == DType::u8) {
    Tensor grey(DType::u8, {height, width, 1});
    const auto in = pixels.as<std::uint8_t>();
    const auto out = grey.as<std::uint8_t>();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::uint32_t sum = in[3 * i] * 19595U + in[3 * i + 1] * 38470U + in[3 * i + 2] * 7471U + 0x8000U;
      out[i] = static_cast<std::uint8_t>(sum >> 16);
    }
    return grey;
  }
  const Tensor values = pixels.to(DType::f32);
  Tensor grey(DType::f32, {height, width, 1});
  const auto in = values.as<float>();
  const auto out = grey.as<float>();
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = 0.299F * in[3 * i] + 0.587F * in[3 * i + 1] + 0.114F * in[3 * i + 2];
  }
  return grey;
}

// Copies a picture onto a black one of the target's size.
Tensor padded(const Tensor& picture, Size target, std::size_t top, std::size_t left) {
  const std::size_t channels = picture.shape()[2];
  Tensor canvas(picture.dtype(), {target.height, target.width, channels});
  const std::size_t pixel = channels * size_of(picture.dtype()), row_bytes = picture.shape()[1] * pixel;
  for (std::size_t row = 0; row < picture.shape()[0]; ++row) {
    std::copy_n(picture.data() + row * row_bytes, row_bytes,
                canvas.mutable_data() + ((top + row) * target.width + left) * pixel);
  }
  return canvas;
}

Tensor placed(const Tensor& pixels, Size target, const Placement& placement, Filter filter) {
  const auto part = [](std::ptrdiff_t start, std::size_t resized, std::size_t wanted) {
    const auto from = static_cast<std::size_t>(std::max<std::ptrdiff_t>(start, 0));
    return std::pair{from, std::min(wanted, resized - from)};
  };
  const auto [top, height] = part(placement.top, placement.resized.height, target.height);
  const auto [left, width] = part(placement.left, placement.resized.width, target.width);
  Tensor picture = resize(pixels, placement.resized, {top, left, {height, width}}, filter);
  if (filter == Filter::bicubic && picture.dtype() == DType::f32) {
    for (float& value : picture.as<float>()) value = std::clamp(value, 0.0F, 255.0F);  // the kernel's overshoot
  }
  if (Size{height, width} == target) return picture;
  return padded(picture, target, static_cast<std::size_t>(std::max<std::ptrdiff_t>(-placement.top, 0)),
                static_cast<std::size_t>(std::max<std::ptrdiff_t>(-placement.left, 0)));
}

}  // namespace

std::string_view name_of(ResizeMode mode) {
  switch (mode) {
    case ResizeMode::shortest:
      return "shortest";
    case ResizeMode::stretch:
      return "stretch";
    case ResizeMode::pad:
      return "pad";
  }
  throw std::logic_error("no name for this resize mode");
}

ResizeMode resize_mode_named(std::string_view name) {
  for (const ResizeMode mode : {ResizeMode::shortest, ResizeMode::stretch, ResizeMode::pad}) {
    if (name == name_of(mode)) return mode;
  }
  throw UsageError("--resize", fmt::format("\"{}\" is not a way to resize", name), "shortest, stretch or pad");
}

Placement placement_of(Size source, Size target, ResizeMode mode) {
  if (mode == ResizeMode::stretch) return {target, 0, 0};
  const Size resized = mode == ResizeMode::pad ? longest_fitted(source, target) : shortest_fitted(source, target);
  return {resized, centered(resized.height, target.height), centered(resized.width, target.width)};
}

PreparedImage prepare_image(Image image, const ImagePreparation& preparation) {
  if (preparation.upright) image = oriented(std::move(image));
  const Size source{image.height(), image.width()};
  const Placement placement = placement_of(source, preparation.size, preparation.mode);

  Tensor alpha = separated_alpha(image.pixels);
  if (preparation.grey && image.channels() == 3) image.pixels = grey_of(image.pixels);
  Tensor colours = windowed(image, preparation.window);

  PreparedImage prepared;
  if (alpha.empty() || placement.resized == source) {
    prepared.pixels = placed(colours, preparation.size, placement, preparation.filter);
  } else {
    const Tensor weighed = premultiplied(colours, alpha);
    prepared.pixels = unpremultiplied(placed(weighed, preparation.size, placement, preparation.filter));
  }
  prepared.row_scale = static_cast<double>(source.height) / static_cast<double>(placement.resized.height);
  prepared.column_scale = static_cast<double>(source.width) / static_cast<double>(placement.resized.width);
  prepared.row_origin = static_cast<double>(placement.top) * prepared.row_scale;
  prepared.column_origin = static_cast<double>(placement.left) * prepared.column_scale;
  return prepared;
}

}  // namespace mt
