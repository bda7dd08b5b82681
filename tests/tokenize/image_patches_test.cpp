#include "tokenize/image_patches.h"

#include <algorithm>
#include <vector>

#include <doctest/doctest.h>

#include "tokenize/synthetic.h"

using namespace mt;
using namespace mt::test;

TEST_CASE("patches: raster order, values in the order channel, row, column") {
  const Tensor pixels = synthetic("noise", 6, 9, 3);
  std::vector<std::uint8_t> rows(pixels.size());

  cut_patches(pixels, 3, 3, rows);

  std::size_t i = 0;
  for (std::uint32_t top = 0; top < 6; top += 3) {
    for (std::uint32_t left = 0; left < 9; left += 3) {
      for (std::uint32_t c = 0; c < 3; ++c) {
        for (std::uint32_t y = 0; y < 3; ++y) {
          for (std::uint32_t x = 0; x < 3; ++x) CHECK(rows[i++] == synthetic_value("noise", top + y, left + x, c));
        }
      }
    }
  }
}

TEST_CASE("patches: bytes and floats are normalised alike, a single channel is replicated") {
  const Normalization normalization{{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
  const Tensor grey = synthetic("noise", 4, 4, 1);
  std::vector<float> from_bytes(48), from_floats(48);

  cut_patches(grey, 2, normalization, from_bytes);
  cut_patches(grey.to(DType::f32), 2, normalization, from_floats);

  CHECK(from_bytes == from_floats);
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const float value = grey.as<std::uint8_t>()[0] / 255.0F;
    CHECK(from_bytes[channel * 4] == (value - normalization.mean[channel]) / normalization.std[channel]);
  }
}

TEST_CASE("patches: floats are rounded and clamped to bytes") {
  Tensor pixels(DType::f32, {1, 4, 1});
  const float values[] = {-3.0F, 1.5F, 2.5F, 400.0F};
  std::copy_n(values, 4, pixels.as<float>().data());
  std::vector<std::uint8_t> rows(4);

  cut_patches(pixels, 1, 1, rows);

  CHECK(rows == std::vector<std::uint8_t>{0, 2, 2, 255});
}

TEST_CASE("patches: a picture that is no whole number of patches is our own mistake") {
  std::vector<float> rows(45);
  CHECK_THROWS_AS(cut_patches(synthetic("noise", 3, 5, 3), 3, Normalization{{0, 0, 0}, {1, 1, 1}}, rows),
                  std::logic_error);
}
