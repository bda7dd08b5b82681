#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/goldens.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/spectral_samples.h"

using namespace mt;

namespace {

const std::filesystem::path kFolder = std::string(MT_TESTS_DIR) + "/golden/spectral";
const nlohmann::json kGolden = test::golden("spectral/golden");

LabelledPixels all_pixels(const SpectralCube& scene) { return choose_pixels(scene, "", {}); }

SpectralTokenization fitted(const SpectralCube& scene, std::size_t window, std::size_t neighbours, ScaleKind kind) {
  return {window, neighbours, kind, fit_spectra(scene, nullptr, kind)};
}

}  // namespace

TEST_CASE("mirrored edges are NumPy's symmetric ones") {
  const std::vector<std::size_t> expected = {2, 1, 0, 0, 1, 2, 2, 1, 0, 0};
  for (std::size_t i = 0; i < expected.size(); ++i)
    CHECK(mirrored(static_cast<std::ptrdiff_t>(i) - 3, 3) == expected[i]);
  CHECK(mirrored(-4, 3) == 2);
  CHECK(mirrored(-5, 1) == 0);
}

TEST_CASE("a pixel's rows are NumPy's: window by window, the neighbouring bands in rising order with the ends joined") {
  const auto scene = open_spectral_cube(kFolder / "u2_bil.hdr", {});
  const SpectralSamples samples(*scene, "scene", all_pixels(*scene),
                                fitted(*scene, kGolden["window"], kGolden["neighbours"], ScaleKind::minmax));
  CHECK(samples.size() == 20);
  CHECK(samples.id(8) == "scene#1,3");
  for (const auto& [place, rows] : kGolden["tokens"].items()) {
    const std::size_t row = std::stoul(place), column = std::stoul(place.substr(2));
    Batch batch = samples.empty_batch();
    samples.make(row * scene->size().columns + column, batch);
    REQUIRE(batch.rows.rows() == rows.size());
    for (std::size_t band = 0; band < rows.size(); ++band) {
      for (std::size_t i = 0; i < rows[band].size(); ++i)
        CHECK(batch.rows.row<float>(band)[i] == doctest::Approx(rows[band][i].get<double>()).epsilon(1e-5));
    }
    CHECK(batch.centers.row<float>(2)[0] == static_cast<float>(row));
    CHECK(batch.centers.row<float>(2)[2] == 2.0F);
  }
}

TEST_CASE("170,512 parameters for 200 bands, single pixels, single bands and a head of 16 classes") {
  SpectralTokenization tokenization;
  tokenization.scale.shift.assign(200, 0);
  tokenization.scale.factor.assign(200, 1);
  Part part = to_part(tokenization);
  initialise_spectral_embedding(part, 768, 0);
  std::size_t count = 0;
  LinearEmbedding embedding(part);
  for (const Parameter* parameter : embedding.parameters()) count += parameter->value.size();
  const std::size_t head = 2 * 768 + 768 * 16 + 16;  // a norm and a linear layer
  CHECK(count + head == 170512);
}

TEST_CASE("statistics of the pixels that are taken are theirs alone") {
  const auto scene = open_spectral_cube(kFolder / "scene.npy", {});
  LabelledPixels two;
  two.pixels = {3, 17};
  const ChannelScale scale = fit_spectra(*scene, &two, ScaleKind::zscore);
  const auto cube = kGolden["cube"].get<std::vector<double>>();
  for (std::size_t band = 0; band < 6; ++band) {
    const double a = cube[3 * 6 + band], b = cube[17 * 6 + band];
    CHECK(scale.shift[band] == doctest::Approx((a + b) / 2));
    CHECK(scale.factor[band] == doctest::Approx(a == b ? 1 : 2 / std::abs(a - b)));
  }
}

TEST_CASE("damaged parts, other numbers of bands, pixels without a value") {
  const auto scene = open_spectral_cube(kFolder / "scene.npy", {});
  SpectralTokenization tokenization = fitted(*scene, 3, 1, ScaleKind::zscore);
  Part part = to_part(tokenization);
  CHECK(spectral_tokenization_of(part).kind == ScaleKind::zscore);
  for (const nlohmann::json& wrong :
       {nlohmann::json(2), nlohmann::json(-1), nlohmann::json("3"), nlohmann::json(257)}) {
    Part damaged = part;
    damaged.config["window"] = wrong;
    CHECK_THROWS_AS(spectral_tokenization_of(damaged), Error);
  }
  tokenization.scale.shift.pop_back();
  tokenization.scale.factor.pop_back();
  CHECK_THROWS_AS(SpectralSamples(*scene, "s", all_pixels(*scene), tokenization), Error);

  const std::vector<float> values = {1, std::numeric_limits<float>::quiet_NaN(), 3, 4};
  CubeLayout layout;
  layout.size = {2, 2};
  layout.bands = 1;
  layout.row_stride = 2;
  layout.column_stride = layout.band_stride = 1;
  const auto holes = strided_cube(layout, std::as_bytes(std::span(values)), nullptr, "holes");
  const SpectralSamples samples(*holes, "holes", all_pixels(*holes), fitted(*holes, 1, 1, ScaleKind::minmax));
  Batch batch = samples.empty_batch();
  CHECK_NOTHROW(samples.make(0, batch));
  CHECK_THROWS_AS(samples.make(1, batch), Error);
}
