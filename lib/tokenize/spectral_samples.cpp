#include "tokenize/spectral_samples.h"

#include <algorithm>
#include <cmath>
#include <future>
#include <list>
#include <mutex>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "tokenize/linear_embedding.h"
#include "tokenize/sequence_frame.h"
#include "tokenize/token_embedding.h"

namespace mt {

namespace {

constexpr std::size_t kTileBytes = std::size_t{8} << 20, kMostTiles = 8, kMostWindow = 255;

std::size_t tile_rows(const SpectralCube& scene) {
  return std::clamp<std::size_t>(kTileBytes / (scene.size().columns * scene.bands() * sizeof(float)), 1,
                                 scene.size().rows);
}

std::size_t odd_number(const nlohmann::json& config, const char* name, std::string_view where) {
  const auto found = config.find(name);
  if (found != config.end() && found->is_number_unsigned()) {
    const std::size_t number = found->get<std::size_t>();
    if (number % 2 == 1 && number <= kMostWindow) return number;
  }
  throw Error(where, fmt::format("its {} is {}", name, found == config.end() ? "missing" : found->dump()),
              "check the model with mt-inspect");
}

}  // namespace

// The scene in tiles of whole rows, the last few of which are kept: samples in raster order read each once.
class SceneRows {
 public:
  explicit SceneRows(const SpectralCube& scene) : scene_(scene), rows_(tile_rows(scene)) {}

  // The spectrum of a pixel: [bands]. held keeps it valid.
  std::span<const float> spectrum(std::size_t row, std::size_t column, std::shared_ptr<const Tensor>& held,
                                  std::size_t& held_tile) const {
    const std::size_t tile = row / rows_;
    if (!held || held_tile != tile) {
      held = tile_at(tile);
      held_tile = tile;
    }
    const std::size_t bands = scene_.bands();
    return held->as<float>().subspan(((row - tile * rows_) * scene_.size().columns + column) * bands, bands);
  }

 private:
  using Tile = std::shared_future<std::shared_ptr<const Tensor>>;

  std::shared_ptr<const Tensor> tile_at(std::size_t tile) const {
    std::promise<std::shared_ptr<const Tensor>> promise;
    {
      std::unique_lock lock(mutex_);
      const auto known =
          std::find_if(tiles_.begin(), tiles_.end(), [tile](const auto& entry) { return entry.first == tile; });
      if (known != tiles_.end()) {
        tiles_.splice(tiles_.begin(), tiles_, known);
        const Tile found = known->second;
        lock.unlock();
        return found.get();
      }
      tiles_.emplace_front(tile, promise.get_future().share());
      if (tiles_.size() > kMostTiles) tiles_.pop_back();
    }
    try {
      const std::size_t begin = tile * rows_;
      auto read = std::make_shared<const Tensor>(scene_.read_rows(begin, std::min(begin + rows_, scene_.size().rows)));
      promise.set_value(read);
      return read;
    } catch (...) {
      promise.set_exception(std::current_exception());
      throw;
    }
  }

  const SpectralCube& scene_;
  std::size_t rows_;
  mutable std::mutex mutex_;
  mutable std::list<std::pair<std::size_t, Tile>> tiles_;  // the latest first
};

std::size_t mirrored(std::ptrdiff_t at, std::size_t n) {
  const auto period = 2 * static_cast<std::ptrdiff_t>(n);
  const auto within = static_cast<std::size_t>(((at % period) + period) % period);
  return within < n ? within : 2 * n - 1 - within;
}

Part to_part(const SpectralTokenization& tokenization) {
  Part part;
  part.config = {{"modality", "hyperspectral"},
                 {"bands", tokenization.bands()},
                 {"window", tokenization.window},
                 {"neighbours", tokenization.neighbours},
                 {"scale", name_of(tokenization.kind)}};
  store_scale(tokenization.scale, part);
  return part;
}

SpectralTokenization spectral_tokenization_of(const Part& part) {
  const std::string where = tokenizer_where(part);
  SpectralTokenization tokenization;
  tokenization.scale = scale_of(part);
  tokenization.window = odd_number(part.config, "window", where);
  tokenization.neighbours = odd_number(part.config, "neighbours", where);
  if (part.config.value("scale", "") == name_of(ScaleKind::zscore)) tokenization.kind = ScaleKind::zscore;
  if (tokenization.bands() == 0) throw Error(where, "has no bands", "fit it again");
  return tokenization;
}

SpectralSamples::SpectralSamples(const SpectralCube& scene, std::string name, LabelledPixels pixels,
                                 SpectralTokenization tokenization)
    : scene_(scene),
      name_(std::move(name)),
      pixels_(std::move(pixels)),
      tokenization_(std::move(tokenization)),
      rows_(std::make_unique<SceneRows>(scene)) {
  if (scene.bands() == tokenization_.bands()) return;
  throw Error(scene.where(),
              fmt::format("has {} bands, the tokenizer was fitted on {}", scene.bands(), tokenization_.bands()),
              "fit another with --fit");
}

SpectralSamples::~SpectralSamples() = default;

Schema SpectralSamples::schema() const {
  Schema schema;
  schema.kind = Kind::patches;
  schema.modality = "hyperspectral";
  schema.width = tokenization_.row_width();
  schema.has_labels = pixels_.labelled;
  if (schema.has_labels) schema.label_names = pixels_.labels.names();
  schema.has_centers = schema.has_grid = true;
  schema.positions = schema.pre_norm = false;
  schema.config = {{"modality", "hyperspectral"},
                   {"window", tokenization_.window},
                   {"neighbours", tokenization_.neighbours},
                   {"scale", name_of(tokenization_.kind)}};
  return schema;
}

std::string SpectralSamples::id(std::size_t i) const {
  const std::uint64_t pixel = pixels_.pixels[i];
  return fmt::format("{}#{},{}", name_, pixel / scene_.size().columns, pixel % scene_.size().columns);
}

Batch SpectralSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(DType::f32, {0, tokenization_.row_width()});
  batch.centers = Tensor(DType::f32, {0, 3});
  batch.grid = Tensor(DType::i32, {0, 3});
  return batch;
}

// The pixel's surroundings as the file has them: [window * window, bands].
Tensor SpectralSamples::window_of(std::size_t i) const {
  const std::size_t side = tokenization_.window, columns = scene_.size().columns;
  const auto half = static_cast<std::ptrdiff_t>(side / 2);
  const auto row = static_cast<std::ptrdiff_t>(pixels_.pixels[i] / columns);
  const auto column = static_cast<std::ptrdiff_t>(pixels_.pixels[i] % columns);
  Tensor window(DType::f32, {side * side, scene_.bands()});
  std::shared_ptr<const Tensor> held;
  std::size_t tile = 0, place = 0;
  for (std::ptrdiff_t r = row - half; r <= row + half; ++r) {
    for (std::ptrdiff_t c = column - half; c <= column + half; ++c) {
      const auto spectrum = rows_->spectrum(mirrored(r, scene_.size().rows), mirrored(c, columns), held, tile);
      std::copy(spectrum.begin(), spectrum.end(), window.row<float>(place++).begin());
    }
  }
  return window;
}

Digest SpectralSamples::digest(std::size_t i) const { return sha256(window_of(i).bytes()); }

Digest SpectralSamples::make(std::size_t i, Batch& batch) const {
  Tensor window = window_of(i);
  const Digest digest = sha256(window.bytes());
  const std::size_t bands = scene_.bands(), pixels = window.rows(), width = tokenization_.row_width();
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const auto spectrum = window.row<float>(pixel);
    for (std::size_t band = 0; band < bands; ++band) {
      const float scaled = tokenization_.scale(spectrum[band], band);
      if (!std::isfinite(scaled))
        throw Error("", fmt::format("band {} has no finite value in its window", band), "leave it out");
      spectrum[band] = scaled;
    }
  }
  const std::size_t before = batch.rows.rows();
  batch.rows.resize_rows(before + bands);
  batch.centers.resize_rows(before + bands);
  const float* const values = std::as_const(window).as<float>().data();
  float* out = batch.rows.as<float>().data() + before * width;
  const std::size_t half = tokenization_.neighbours / 2 % bands;
  for (std::size_t band = 0; band < bands; ++band) {
    for (std::size_t k = 0; k < tokenization_.neighbours; ++k) {
      const std::size_t neighbour = (band + bands - half + k) % bands;
      for (std::size_t pixel = 0; pixel < pixels; ++pixel) *out++ = values[pixel * bands + neighbour];
    }
    const auto center = batch.centers.row<float>(before + band);
    center[0] = static_cast<float>(pixels_.pixels[i] / scene_.size().columns);
    center[1] = static_cast<float>(pixels_.pixels[i] % scene_.size().columns);
    center[2] = static_cast<float>(band);
  }
  batch.grid.resize_rows(batch.grid.rows() + 1);
  const auto grid = batch.grid.row<std::int32_t>(batch.grid.rows() - 1);
  grid[0] = static_cast<std::int32_t>(bands);
  grid[1] = grid[2] = 1;
  return digest;
}

ChannelScale fit_spectra(const SpectralCube& scene, const LabelledPixels* pixels, ScaleKind kind) {
  ChannelMoments moments(scene.bands());
  const std::size_t columns = scene.size().columns, rows = tile_rows(scene);
  std::size_t next = 0;
  for (std::size_t begin = 0; begin < scene.size().rows; begin += rows) {
    throw_if_interrupted();
    const std::size_t end = std::min(begin + rows, scene.size().rows);
    if (pixels != nullptr && (next == pixels->pixels.size() || pixels->pixels[next] >= end * columns)) continue;
    const Tensor tile = scene.read_rows(begin, end);
    const float* const values = tile.as<float>().data();
    if (pixels == nullptr) {
      moments.add(values, (end - begin) * columns);
      continue;
    }
    for (; next < pixels->pixels.size() && pixels->pixels[next] < end * columns; ++next)
      moments.add(values + (pixels->pixels[next] - begin * columns) * scene.bands(), 1);
  }
  return moments.scale(kind, scene.where());
}

void initialise_spectral_embedding(Part& part, std::size_t width, std::uint64_t seed) {
  const SpectralTokenization tokenization = spectral_tokenization_of(part);
  add_initial_projection(part, width, tokenization.row_width(), true, seed);
  add_initial_frame(part, width, 1, tokenization.bands(), seed);
}

}  // namespace mt
