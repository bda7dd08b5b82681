#include "tokenize/image_window.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

namespace {

template <class T>
Image image_of(std::vector<T> values) {
  Image image;
  image.pixels = Tensor(dtype_of<T>(), {1, values.size(), 1});
  std::ranges::copy(values, image.pixels.as<T>().begin());
  return image;
}

std::vector<float> levels(const Image& image, const char* window) {
  const Tensor result = windowed(image, window_named(window));
  const Tensor floats = result.to(DType::f32);
  return {floats.as<float>().begin(), floats.as<float>().end()};
}

}  // namespace

TEST_CASE("window: names and windows are each other's reverse, nonsense is a usage error") {
  for (const char* name : {"auto", "none", "dicom", "7000,9500", "-0.5,1.25", "percentile:1,99"}) {
    CHECK(name_of(window_named(name)) == name);
  }
  for (const char* name : {"", "automatic", "1", "1,2,3", "2,1", "1,1", "nan,1", "percentile:", "percentile:-1,50",
                           "percentile:1,101", "1,inf"}) {
    INFO(name);
    CHECK_THROWS_AS(window_named(name), UsageError);
  }
}

TEST_CASE("window: without one, bytes stay bytes and 16 bits are divided by 257") {
  const Image bytes = image_of<std::uint8_t>({0, 7, 255});
  CHECK(windowed(bytes, window_named("none")).dtype() == DType::u8);
  CHECK(windowed(bytes, window_named("auto")).dtype() == DType::u8);
  CHECK(levels(bytes, "none") == std::vector<float>{0, 7, 255});
  CHECK(levels(image_of<std::uint16_t>({0, 257, 65535}), "none") == std::vector<float>{0, 1, 255});
  CHECK(levels(image_of<float>({0, 0.5F, 1}), "none") == std::vector<float>{0, 127.5F, 255});
}

TEST_CASE("window: floating-point values outside of 0..1 need one") {
  CHECK_THROWS_WITH_AS(windowed(image_of<float>({-1000, 3000}), window_named("none")),
                       "pixels: floating-point values from -1000 to 3000 lie outside of 0..1 "
                       "(say which are black and white: --window LOW,HIGH)",
                       Error);
}

TEST_CASE("window: a range is linear between its ends and clamped") {
  CHECK(levels(image_of<std::uint16_t>({100, 1000, 1500, 2000, 9000}), "1000,2000") ==
        std::vector<float>{0, 0, 127.5F, 255, 255});
  CHECK(levels(image_of<std::uint8_t>({10, 20, 30}), "10,30") == std::vector<float>{0, 127.5F, 255});
  CHECK(levels(image_of<float>({-1, 0, 1}), "-1,1") == std::vector<float>{0, 127.5F, 255});
}

TEST_CASE("window: percentiles are numpy's, for every type") {
  // numpy.percentile([3, 1, 4, 1, 5, 9, 2, 6], [25, 90]) is [1.75, 6.9].
  const auto expect = [](const Tensor& pixels) {
    const auto [low, high] = percentiles(pixels, 25, 90);
    CHECK(low == doctest::Approx(1.75));
    CHECK(high == doctest::Approx(6.9));
  };
  expect(image_of<std::uint8_t>({3, 1, 4, 1, 5, 9, 2, 6}).pixels);
  expect(image_of<std::uint16_t>({3, 1, 4, 1, 5, 9, 2, 6}).pixels);
  expect(image_of<float>({3, 1, 4, 1, 5, 9, 2, 6}).pixels);
  CHECK(percentiles(image_of<float>({5}).pixels, 0, 100) == std::pair{5.0, 5.0});
}

TEST_CASE("window: auto takes the file's own, else percentiles, for deep pictures") {
  Image image = image_of<std::uint16_t>({0, 1000, 2000, 3000, 4000});
  // Percentiles 0.5 and 99.5: ranks 0.02 and 3.98.
  const auto by_percentile = levels(image, "auto");
  CHECK(by_percentile[0] == 0);
  CHECK(by_percentile[2] == doctest::Approx(127.5));
  CHECK(by_percentile[4] == 255);

  // The standard's linear function: centre 2000.5, width 2001 runs from 1000 to 3000.
  image.window_center = 2000.5;
  image.window_width = 2001;
  CHECK(levels(image, "auto") == std::vector<float>{0, 0, 127.5F, 255, 255});
  CHECK(levels(image, "dicom") == levels(image, "auto"));
}

TEST_CASE("window: the file's own is an error where it has none or a senseless one") {
  Image image = image_of<std::uint16_t>({1, 2});
  CHECK_THROWS_AS(windowed(image, window_named("dicom")), Error);
  image.window_center = 5;
  image.window_width = 0;
  CHECK_THROWS_AS(windowed(image, window_named("dicom")), Error);
}

TEST_CASE("window: a picture of one value is black, NaN and infinity are refused") {
  CHECK(levels(image_of<std::uint16_t>({77, 77, 77}), "auto") == std::vector<float>{0, 0, 0});
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const char* window : {"auto", "none", "0,1"}) {
      CHECK_THROWS_AS(windowed(image_of<float>({0, bad, 1}), window_named(window)), Error);
    }
  }
}
