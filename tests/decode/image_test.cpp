#include "decode/image.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <doctest/doctest.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/threads.h"
#include "decode/goldens.h"
#include "store/npy.h"

using namespace mt;
using test::golden_images;
using test::GoldenImage;
using test::kGoldenImages;

namespace {

std::string pixel_digest(const Image& image) { return hex(sha256(image.pixels.bytes())); }

Image decode(const GoldenImage& golden) { return decode_image(golden.bytes(), golden.name); }

Image decode_named(const std::string& name, const ImageLimits& limits = {}) {
  return decode_image(read_file(kGoldenImages / name, 1 << 20), name, limits);
}

double largest_difference(const Tensor& a, const Tensor& b) {
  const Tensor x = a.to(DType::f64), y = b.to(DType::f64);
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i)
    largest = std::max(largest, std::abs(x.as<double>()[i] - y.as<double>()[i]));
  return largest;
}

}  // namespace

TEST_CASE("image: every format and variant gives the pixels that Pillow, tifffile and pydicom give") {
  const std::vector<GoldenImage> goldens = golden_images();
  REQUIRE(goldens.size() > 100);
  for (const GoldenImage& golden : goldens) {
    CAPTURE(golden.name);
    const Image image = decode(golden);
    CHECK(image.pixels.shape() == golden.shape);
    CHECK(name_of(image.pixels.dtype()) == golden.dtype);
    CHECK(image.orientation == golden.orientation);
    if (golden.digest != "-") {
      CHECK(pixel_digest(image) == golden.digest);
      continue;
    }
    const std::vector<std::byte> file = read_file(kGoldenImages / (golden.name + ".npy"), 1 << 20);
    const Tensor expected = read_npy(file, golden.name);
    REQUIRE(expected.size() == image.pixels.size());
    CHECK(largest_difference(image.pixels, expected) <= 1);  // another release of libjpeg may round another way
  }
}

TEST_CASE("image: the same pixels come from any thread") {
  const std::vector<GoldenImage> goldens = golden_images();
  std::vector<std::string> alone, together(goldens.size());
  for (const GoldenImage& golden : goldens) alone.push_back(pixel_digest(decode(golden)));
  ThreadPool pool(4);
  pool.parallel_for(goldens.size(),
                    [&](std::size_t i, std::size_t) { together[i] = pixel_digest(decode(goldens[i])); });
  CHECK(together == alone);
}

TEST_CASE("image: orientation turns each of the eight stored forms upright") {
  // given the stored picture 1 2 3 / 4 5 6, and where its first row and column stand in the scene (EXIF 2.3, tag 274)
  const std::vector<std::vector<std::uint8_t>> upright = {{1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1},
                                                          {4, 5, 6, 1, 2, 3}, {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3},
                                                          {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    Image image;
    image.pixels = Tensor::of<std::uint8_t>({2, 3, 1}, {1, 2, 3, 4, 5, 6});
    image.orientation = orientation;
    const Image turned = oriented(image);
    const auto pixels = turned.pixels.as<std::uint8_t>();
    CHECK(std::vector<std::uint8_t>(pixels.begin(), pixels.end()) ==
          upright[static_cast<std::size_t>(orientation - 1)]);
    CHECK(turned.pixels.shape() == (orientation <= 4 ? Shape{2, 3, 1} : Shape{3, 2, 1}));
    CHECK(turned.orientation == 1);
  }
}

TEST_CASE("jpeg: decoding at reduced scale keeps both sides at least as large as asked") {
  const auto shape = [](std::size_t reduce_to) {
    ImageLimits limits;
    limits.reduce_to = reduce_to;
    return decode_named("rgb420.jpg", limits).pixels.shape();  // 21 x 35
  };
  CHECK(shape(0) == Shape{21, 35, 3});
  CHECK(shape(12) == Shape{21, 35, 3});
  CHECK(shape(11) == Shape{11, 18, 3});
  CHECK(shape(6) == Shape{6, 9, 3});
  CHECK(shape(1) == Shape{3, 5, 3});
}

TEST_CASE("dicom: the window is handed on in the units of the pixels") {
  const Image rescaled = decode_named("rescaled12.dcm");
  CHECK(rescaled.window_center == 40);
  CHECK(rescaled.window_width == 400);
  // MONOCHROME1 is turned around, its window too: 1000 of 0 .. 4095 becomes 3095.
  const Image inverted = decode_named("monochrome1_12.dcm");
  CHECK(inverted.window_center == 3095);
  CHECK(inverted.window_width == 300);
  CHECK_FALSE(decode_named("grey8.dcm").window_center.has_value());
}

TEST_CASE("image: what is not read is named, with what to do") {
  const auto message = [](std::string_view text) {
    try {
      decode_image(std::as_bytes(std::span(text)), "x");
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  using namespace std::string_view_literals;
  CHECK(message("") == "x: is empty");
  CHECK(message("plain text, no picture") ==
        "x: is no picture of a known format (22 bytes) (JPEG, PNG, BMP, PNM, TGA, GIF, TIFF, WebP and DICOM are read)");
  CHECK(message("\0\0\0\x20"sv
                "ftypheic") == "x: is a HEIC picture, which is not read (convert it to PNG or JPEG)");
  CHECK(message("%PDF-1.4").find("is a PDF document") != std::string::npos);
  CHECK(message("<!DOCTYPE html>").find("is an HTML page") != std::string::npos);
  // given a JPEG whose frame says 12 bits a sample
  std::vector<std::byte> jpeg = read_file(kGoldenImages / "grey.jpg", 1 << 20);
  const std::array<std::byte, 2> marker = {std::byte{0xFF}, std::byte{0xC0}};
  const auto frame = std::search(jpeg.begin(), jpeg.end(), marker.begin(), marker.end());
  REQUIRE(frame != jpeg.end());
  frame[4] = std::byte{12};
  CHECK_THROWS_WITH_AS(decode_image(jpeg, "x"), doctest::Contains("has 12 bits a sample, 8 are read"), Error);
}

TEST_CASE("image: a NaN among float pixels is refused, with its place") {
  std::vector<std::byte> tiff = read_file(kGoldenImages / "float32.tif", 1 << 20);
  const Image image = decode_image(tiff, "x");
  const float value = image.pixels.as<float>()[14];  // row 1, column 1 of 13 columns
  const auto* pattern = reinterpret_cast<const std::byte*>(&value);
  const auto at = std::search(tiff.begin(), tiff.end(), pattern, pattern + 4);
  REQUIRE(at != tiff.end());
  const float nan = std::nanf("");
  std::copy_n(reinterpret_cast<const std::byte*>(&nan), 4, at);
  CHECK_THROWS_WITH_AS(decode_image(tiff, "x"), doctest::Contains("the pixel in row 1, column 1 is nan"), Error);
}
