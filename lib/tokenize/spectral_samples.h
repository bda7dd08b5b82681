// Pixels of a hyperspectral scene as samples: a token for each band, from the pixel's surroundings and the bands beside
// it (SpectralFormer's grouping, Hong et al. 2021).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "decode/spectral/labelled_pixels.h"
#include "decode/spectral/spectral_cube.h"
#include "store/model.h"
#include "store/schema.h"
#include "tokenize/channel_scale.h"
#include "tokenize/pipeline.h"

namespace mt {

// What a "tokenizer/hyperspectral" part fixes for all scenes. Tensors scale.shift|factor [bands]; configuration:
// modality, bands, window, neighbours, scale.
struct SpectralTokenization {
  std::size_t window = 1;      // side of the square around each pixel, odd
  std::size_t neighbours = 1;  // bands of one token, odd: -(b / 2) ... b / 2 around its own, the ends joined
  ScaleKind kind = ScaleKind::minmax;
  ChannelScale scale;  // of each band

  std::size_t bands() const { return scale.channels(); }
  std::size_t row_width() const { return window * window * neighbours; }
};
Part to_part(const SpectralTokenization& tokenization);
SpectralTokenization spectral_tokenization_of(const Part& part);  // throws Error

class SceneRows;

class SpectralSamples : public SampleMaker {
 public:
  // The scene must outlive this. name: of the scene in ids. Throws Error when its bands are not the tokenizer's.
  SpectralSamples(const SpectralCube& scene, std::string name, LabelledPixels pixels,
                  SpectralTokenization tokenization);
  ~SpectralSamples() override;

  Schema schema() const;  // kind, columns, labels, configuration; creator and source are the caller's

  std::size_t size() const override { return pixels_.pixels.size(); }
  std::string id(std::size_t i) const override;  // "NAME#ROW,COLUMN"
  bool has_labels() const override { return pixels_.labelled; }
  std::int32_t label(std::size_t i) const override { return pixels_.labelled ? pixels_.labels[i] : -1; }
  Digest digest(std::size_t i) const override;  // of the window's values
  Batch empty_batch() const override;
  // Row c of a sample: for each neighbour from -(b / 2) to b / 2 the window of band c + neighbour, row by row; beyond
  // the scene's edge as NumPy's pad mode "symmetric" (the edge pixel comes twice).
  Digest make(std::size_t i, Batch& batch) const override;

 private:
  Tensor window_of(std::size_t i) const;

  const SpectralCube& scene_;
  std::string name_;
  LabelledPixels pixels_;
  SpectralTokenization tokenization_;
  std::unique_ptr<SceneRows> rows_;
};

// Statistics of these pixels, or of all pixels of the scene where pixels is null. Streams the scene.
ChannelScale fit_spectra(const SpectralCube& scene, const LabelledPixels* pixels, ScaleKind kind);

// Adds an embedding that nobody has trained to such a part: a projection with bias, a class token, a learned position
// for each band.
void initialise_spectral_embedding(Part& part, std::size_t width, std::uint64_t seed);

// Which of n pixels along a side stands at `at`, beyond the edge too (at least -n, less than 2 n and so on): NumPy's
// "symmetric".
std::size_t mirrored(std::ptrdiff_t at, std::size_t n);

}  // namespace mt
