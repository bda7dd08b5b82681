#include "decode/spectral/spectral_cube.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "decode/label_file.h"
#include "decode/spectral/envi_header.h"
#include "decode/spectral/hdf5_cube.h"
#include "decode/spectral/matlab_file.h"
#include "decode/stored_array.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kLargestHeader = std::uint64_t{16} << 20;

std::string extension_of(const fs::path& path) { return lower_ascii(path.extension().string()); }

// The header's file, when path is an ENVI header or has one beside it.
std::optional<fs::path> envi_header_of(const fs::path& path) {
  if (extension_of(path) == ".hdr") return path;
  fs::path replaced = path;
  replaced.replace_extension(".hdr");
  for (const fs::path& candidate : {fs::path(path.string() + ".hdr"), replaced}) {
    if (fs::is_regular_file(candidate)) return candidate;
  }
  return std::nullopt;
}

fs::path envi_data_of(const fs::path& header) {
  fs::path stem = header;
  stem.replace_extension();
  for (const char* extension : {"", ".raw", ".img", ".dat", ".bsq", ".bil", ".bip"}) {
    const fs::path candidate(stem.string() + extension);
    if (candidate != header && fs::is_regular_file(candidate)) return candidate;
  }
  throw Error(header.string(), "has no data beside it",
              fmt::format("expected {} or the same with .raw, .img, .dat, .bsq, .bil, .bip", stem.string()));
}

std::unique_ptr<SpectralCube> open_envi(const fs::path& path, const fs::path& header_path, const CubeChoice& choice) {
  const EnviHeader header = parse_envi_header(read_text_file(header_path, kLargestHeader), header_path.string());
  if (choice.size && header.layout.size != *choice.size) {
    throw Error(header_path.string(), fmt::format("is {} x {} pixels, not {} x {}", header.layout.size.rows,
                                                  header.layout.size.columns, choice.size->rows, choice.size->columns));
  }
  const fs::path data = header_path == path ? envi_data_of(path) : path;
  const auto file = MappedFile::open(data);
  const auto bytes = file->bytes();
  const auto numbers = bytes.subspan(std::min(header.offset, bytes.size()));
  return strided_cube(header.layout, numbers, file, data.string(), header.class_names);
}

// A variable that may be chosen: its name and its dimensions as in MATLAB.
struct Candidate {
  std::string name;
  std::vector<std::size_t> dimensions;
};

bool fits(const Candidate& candidate, const std::optional<SceneSize>& size) {
  if (candidate.dimensions.size() == 3) return true;
  if (candidate.dimensions.size() != 2 || !size) return false;
  const std::size_t pixels = size->pixels();
  return (candidate.dimensions[0] == pixels || candidate.dimensions[1] == pixels) &&
         candidate.dimensions[0] * candidate.dimensions[1] > pixels;
}

// The one asked for; else the largest that can be a scene.
std::string chosen(const std::vector<Candidate>& candidates, const CubeChoice& choice, const std::string& where) {
  if (!choice.variable.empty()) return choice.variable;
  const Candidate* best = nullptr;
  const auto size_of = [](const Candidate& c) { return element_count(c.dimensions); };
  for (const Candidate& candidate : candidates) {
    if (fits(candidate, choice.size) && (best == nullptr || size_of(candidate) > size_of(*best))) best = &candidate;
  }
  if (best != nullptr) return best->name;
  std::vector<std::string> names;
  for (const Candidate& candidate : candidates)
    names.push_back(fmt::format("{} {}", candidate.name, to_string(candidate.dimensions)));
  throw Error(
      where, fmt::format("holds {}, none of which can be a scene", names.empty() ? "no numbers" : listed(names)),
      choice.size ? "name the variable" : "name the variable, and of a matrix of spectra say --size ROWSxCOLUMNS");
}

CubeLayout matlab_layout(const MatlabArray& array, const std::optional<SceneSize>& size, const std::string& where) {
  CubeLayout layout = array_layout(array.shape, true, size, where);
  layout.kind = array.kind;
  layout.item_bytes = array.item_bytes;
  layout.big_endian = array.big_endian;
  return layout;
}

// nRow and nCol, as collections of unmixing scenes name them.
std::optional<SceneSize> stated_size(const std::function<std::optional<double>(const char*)>& scalar) {
  const auto rows = scalar("nRow"), columns = scalar("nCol");
  const auto whole = [](double x) { return x >= 1 && x <= 1e6 && x == std::floor(x); };
  if (!rows || !columns || !whole(*rows) || !whole(*columns)) return std::nullopt;
  return SceneSize{static_cast<std::size_t>(*rows), static_cast<std::size_t>(*columns)};
}

std::unique_ptr<SpectralCube> open_matlab(const std::shared_ptr<const MappedFile>& mapped, CubeChoice choice,
                                          const std::string& path) {
  const MatlabFile file(mapped->bytes(), path);
  const auto scalar = [&](const char* name) -> std::optional<double> {
    const MatlabVariable* variable = file.find(name);
    if (variable == nullptr || !variable->numeric || element_count(variable->dimensions) != 1) return std::nullopt;
    const MatlabArray array = file.read(name);
    const auto cube = strided_cube(matlab_layout(array, SceneSize{1, 1}, path), array.elements, array.keep_alive, path);
    return static_cast<double>(cube->read_rows(0, 1).as<float>()[0]);
  };
  if (!choice.size) choice.size = stated_size(scalar);
  std::vector<Candidate> candidates;
  for (const MatlabVariable& variable : file.variables()) {
    if (variable.numeric) candidates.push_back({variable.name, variable.dimensions});
  }
  const std::string name = chosen(candidates, choice, path);
  const MatlabArray array = file.read(name);
  const std::string where = fmt::format("{}: {}", path, name);
  const std::shared_ptr<const void> keep_alive = array.keep_alive ? array.keep_alive : mapped;
  return strided_cube(matlab_layout(array, choice.size, where), array.elements, keep_alive, where);
}

std::unique_ptr<SpectralCube> open_numpy(const fs::path& path, ArrayFormat format, const CubeChoice& choice) {
  const StoredArray array =
      format == ArrayFormat::npy
          ? open_npy(path)
          : open_npz(path, choose_npz_arrays(list_npz(path), choice.variable, {}, path.string()).pictures);
  if (array.header.is_text() || array.header.kind == 'b' || (array.header.kind == 'f' && array.header.item_bytes == 2))
    throw Error(array.where, "holds no numbers of 8 to 64 bits", "save it as float32");
  CubeLayout layout = array_layout(array.header.shape, false, choice.size, array.where);
  layout.kind = array.header.kind;
  layout.item_bytes = array.header.item_bytes;
  layout.big_endian = array.header.big_endian;
  return strided_cube(layout, array.elements, array.keep_alive, array.where);
}

}  // namespace

std::unique_ptr<SpectralCube> open_spectral_cube(const fs::path& path, const CubeChoice& choice) {
  if (const auto header = envi_header_of(path)) return open_envi(path, *header, choice);
  const auto mapped = MappedFile::open(path);
  const ArrayFormat format = array_format(mapped->bytes());
  if (format == ArrayFormat::npy || format == ArrayFormat::npz) return open_numpy(path, format, choice);
  if (is_hdf5_cube(mapped->bytes())) {
    CubeChoice resolved = choice;
    const Hdf5Variables file(path);
    if (!resolved.size) resolved.size = stated_size([&](const char* name) { return file.scalar(name); });
    std::vector<Candidate> candidates;
    for (const auto& [name, dimensions] : file.numeric()) candidates.push_back({name, dimensions});
    return file.open(chosen(candidates, resolved, path.string()), resolved.size);
  }
  return open_matlab(mapped, choice, path.string());
}

}  // namespace mt
