#include <cmath>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "decode/spectral/envi_header.h"
#include "decode/spectral/labelled_pixels.h"
#include "decode/spectral/matlab_file.h"
#include "decode/spectral/spectral_cube.h"
#include "support/goldens.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

const std::filesystem::path kFolder = std::string(MT_TESTS_DIR) + "/golden/spectral";
const nlohmann::json kGolden = test::golden("spectral/golden");

// The whole scene, and each row on its own, equal NumPy's.
void check_scene(const SpectralCube& cube) {
  CHECK(cube.size() == SceneSize{kGolden["rows"], kGolden["columns"]});
  CHECK(cube.bands() == kGolden["bands"].get<std::size_t>());
  const auto expected = kGolden["cube"].get<std::vector<float>>();
  const Tensor all = cube.read_rows(0, cube.size().rows);
  CHECK(std::equal(expected.begin(), expected.end(), all.as<float>().begin(), all.as<float>().end()));
  const std::size_t row_values = cube.size().columns * cube.bands();
  for (std::size_t row = 0; row < cube.size().rows; ++row) {
    const Tensor one = cube.read_rows(row, row + 1);
    CHECK(std::equal(one.as<float>().begin(), one.as<float>().end(),
                     expected.begin() + static_cast<std::ptrdiff_t>(row * row_values)));
  }
}

std::string why(const std::filesystem::path& path, const CubeChoice& choice = {}) {
  try {
    open_spectral_cube(path, choice);
  } catch (const Error& error) {
    return error.why();
  }
  return "";
}

std::string header_error(std::string text, const std::string& from, const std::string& to) {
  text.replace(text.find(from), from.size(), to);
  try {
    parse_envi_header(text, "f");
  } catch (const Error& error) {
    return error.why();
  }
  return "";
}

std::string content(const std::filesystem::path& path) { return read_text_file(path, 1 << 20); }

}  // namespace

TEST_CASE("ENVI: all number types, interleaves and byte orders give the same scene") {
  std::size_t scenes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".hdr") continue;
    CAPTURE(entry.path().filename().string());
    check_scene(*open_spectral_cube(entry.path(), {}));
    std::filesystem::path data = entry.path();
    check_scene(*open_spectral_cube(data.replace_extension(".raw"), {}));
    ++scenes;
  }
  CHECK(scenes == 13);
}

TEST_CASE("NumPy and MATLAB 6, 7 and 7.3: the same scene as a cube and as a matrix of spectra") {
  check_scene(*open_spectral_cube(kFolder / "scene.npy", {}));
  for (const char* name : {"scene_v6.mat", "scene_v7.mat", "scene_v73.mat"}) {
    CAPTURE(name);
    check_scene(*open_spectral_cube(kFolder / name, {"cube", {}}));
    check_scene(*open_spectral_cube(kFolder / name, {"Y", {}}));  // nRow and nCol are in the file
    check_scene(*open_spectral_cube(kFolder / name, {"Y", SceneSize{4, 5}}));
  }
}

TEST_CASE("ENVI: no value stands for itself, class names come along") {
  EnviHeader header = parse_envi_header(
      "ENVI\nsamples = 2\nlines = 1\nbands = 1\ndata type = 1\nclass names = {none, tree,\n water}\n"
      "data ignore value = 7\n; remark = no\n",
      "f");
  CHECK(header.class_names == std::vector<std::string>{"none", "tree", "water"});
  const std::string numbers = "\7\3";
  const auto cube = strided_cube(header.layout, std::as_bytes(std::span(numbers)), nullptr, "f");
  const Tensor row = cube->read_rows(0, 1);
  CHECK(std::isnan(row.as<float>()[0]));
  CHECK(row.as<float>()[1] == 3.0F);
}

TEST_CASE("ENVI: what is missing or impossible is told") {
  const std::string good = "ENVI\nsamples = 2\nlines = 3\nbands = 4\ndata type = 4\ninterleave = bsq\n";
  CHECK(header_error(good, "ENVI", "ENVY") == "does not start with ENVI");
  CHECK(header_error(good, "lines = 3", "") == "does not say \"lines\"");
  CHECK(header_error(good, "= 3", "= 0") == "\"lines\" is 0");
  CHECK(header_error(good, "= 3", "= -3") == "\"lines\" is -3");
  CHECK(header_error(good, "= 4", "= 1e9") == "\"bands\" is 1e9");
  CHECK(header_error(good, "type = 4", "type = 6") == "its data type is 6, complex numbers");
  CHECK(header_error(good, "type = 4", "type = 99") == "its data type is 99");
  CHECK(header_error(good, "bsq", "bqs") == "its interleave is \"bqs\"");
  CHECK(header_error(good, "samples = 2\nlines = 3", "samples = 1099511627776\nlines = 1099511627776") ==
        "declares a size that overflows");
  CHECK(header_error(good, "= bsq", "= {bsq") == "\"interleave\" opens a brace that never ends");
}

TEST_CASE("fewer bytes than declared, other files, other sizes are refused") {
  const test::TemporaryDirectory directory;
  const std::string raw = content(kFolder / "f4_bsq.raw");
  test::plain_file(directory / "a.hdr", content(kFolder / "f4_bsq.hdr"));
  CHECK(why(directory / "a.hdr") == "has no data beside it");
  test::plain_file(directory / "a.img", raw.substr(0, raw.size() - 1));
  CHECK(why(directory / "a.hdr") == "has 479 bytes of data where 4 x 5 x 6 numbers of 4 bytes need 480");
  CHECK(why(kFolder / "golden.json") == "is no MAT-file of version 5");
  CHECK(why(kFolder / "labels.npy") == "has the shape [4, 5]");
  CHECK(why(kFolder / "scene.npy", {"", SceneSize{5, 4}}) == "is 4 x 5 pixels, not 5 x 4");
  CHECK(why(kFolder / "scene_v6.mat", {"cub", {}}) ==
        "has no variable \"cub\", it holds cube, gt, Y, A, nRow, nCol and 3 more");
  CHECK(why(kFolder / "scene_v7.mat", {"names", {}}) == "is no array of real numbers but cell");
  CHECK(why(kFolder / "scene_v7.mat", {"z", {}}) == "is no array of real numbers but double");
}

TEST_CASE("MAT-files: cut or flipped anywhere they are refused, or give numbers of the declared size") {
  for (const char* name : {"scene_v6.mat", "scene_v7.mat"}) {
    const std::string good = content(kFolder / name);
    const auto read_all = [&](const std::string& bytes) {
      try {
        const MatlabFile file(std::as_bytes(std::span(bytes)), "f");
        for (const MatlabVariable& variable : file.variables()) {
          if (!variable.numeric) continue;
          const MatlabArray array = file.read(variable.name, 1 << 20);
          CHECK(array.elements.size() == element_count(array.shape) * array.item_bytes);
        }
      } catch (const Error&) {  // refused
      }
    };
    for (std::size_t at = 0; at < good.size(); ++at) {
      read_all(good.substr(0, at));
      for (const char byte : {'\0', '\1', '\x7F', '\xFF'}) {
        std::string damaged = good;
        damaged[at] = byte;
        read_all(damaged);
      }
    }
  }
  // Every byte of a compressed variable is behind a checksum.
  std::string damaged = content(kFolder / "scene_v7.mat");
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 1);
  std::size_t failures = 0;
  try {
    const MatlabFile file(std::as_bytes(std::span(damaged)), "f");
    for (const MatlabVariable& variable : file.variables()) {
      try {
        if (variable.numeric) file.read(variable.name);
      } catch (const Error&) {
        ++failures;
      }
    }
  } catch (const Error&) {
    ++failures;
  }
  CHECK(failures == 1);
}

TEST_CASE("a MAT-file's claim of size is checked before memory is asked for") {
  std::string file = content(kFolder / "scene_v6.mat");
  MatlabFile good(std::as_bytes(std::span(file)), "f");
  CHECK_NOTHROW(good.read("cube"));
  // The first variable's dimensions: 4 x 5 x 6 at bytes 160 on.
  for (const std::size_t at : {std::size_t{160}, std::size_t{164}, std::size_t{168}}) {
    file[at] = file[at + 1] = file[at + 2] = '\xFF';
    file[at + 3] = '\x7F';
  }
  const MatlabFile huge(std::as_bytes(std::span(file)), "f");
  CHECK_THROWS_AS(huge.read("cube"), Error);
}

TEST_CASE("labels: images and abundances choose the pixels and their classes") {
  const auto scene = open_spectral_cube(kFolder / "scene_v7.mat", {"cube", {}});
  const auto expected = kGolden["labels"].get<std::vector<int>>();
  for (const std::string& file : {std::string(), (kFolder / "labels.npy").string()}) {
    PixelChoice choice;
    choice.labels = file;
    if (file.empty()) choice.variable = "gt";
    const LabelledPixels pixels = choose_pixels(*scene, (kFolder / "scene_v7.mat").string(), choice);
    CHECK(pixels.labels.names() == std::vector<std::string>{"1", "2", "3", "10"});
    std::size_t at = 0;
    for (std::size_t pixel = 0; pixel < expected.size(); ++pixel) {
      if (expected[pixel] == 0) continue;
      CHECK(pixels.pixels.at(at) == pixel);
      CHECK(pixels.labels.names()[static_cast<std::size_t>(pixels.labels[at])] == std::to_string(expected[pixel]));
      ++at;
    }
    CHECK(at == pixels.pixels.size());
  }
  PixelChoice choice;
  choice.variable = "A";
  choice.class_names = {"tree", "water", "road"};
  const LabelledPixels pixels = choose_pixels(*scene, (kFolder / "scene_v73.mat").string(), choice);
  const auto largest = kGolden["largest"].get<std::vector<std::size_t>>();
  const std::size_t unknown = kGolden["unknown"][0].get<std::size_t>() * 5 + kGolden["unknown"][1].get<std::size_t>();
  CHECK(pixels.pixels.size() == 19);
  for (std::size_t i = 0; i < pixels.pixels.size(); ++i) {
    CHECK(pixels.pixels[i] != unknown);
    CHECK(pixels.labels.names()[static_cast<std::size_t>(pixels.labels[i])] ==
          choice.class_names[largest[pixels.pixels[i]]]);
  }
  choice.class_names = {"tree"};
  CHECK_THROWS_AS(choose_pixels(*scene, (kFolder / "scene_v7.mat").string(), choice), Error);
}

TEST_CASE("the draw of pixels for training depends on the list and the seed alone, and leaves none out") {
  const auto scene = open_spectral_cube(kFolder / "scene.npy", {});
  PixelChoice choice;
  choice.labels = (kFolder / "labels.npy").string();
  choice.fraction = 0.3;
  const LabelledPixels train = choose_pixels(*scene, "", choice);
  CHECK(train.pixels.size() == 4);  // of 13
  CHECK(choose_pixels(*scene, "", choice).pixels == train.pixels);
  choice.test = true;
  const LabelledPixels rest = choose_pixels(*scene, "", choice);
  CHECK(rest.pixels.size() == 9);
  for (const std::uint64_t pixel : rest.pixels)
    CHECK(std::find(train.pixels.begin(), train.pixels.end(), pixel) == train.pixels.end());
  choice.seed = 1;
  CHECK(choose_pixels(*scene, "", choice).pixels != rest.pixels);
}
