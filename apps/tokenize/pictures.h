// What image, infrared and X-ray share: their options, and how these become samples.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/run.h"
#include "decode/image_source.h"
#include "tokenize/session.h"

namespace mt::tokenize {

// How the three differ.
struct PictureKind {
  std::string modality;  // also the name of the model's part: "tokenizer/MODALITY", else "tokenizer/image"
  bool grey = false;     // one channel, windowed: infrared and X-ray
  std::string window;    // default of --window
};

struct PictureOptions {
  SessionOptions session;
  ImageSourceOptions source;
  std::string ids = "path";
  bool fast_decode = false;

  bool patches = false;
  std::optional<std::size_t> patch;
  std::string patch_type = "auto", channels = "replicate";

  std::string preset, size, store_size, resize = "shortest", filter = "bicubic", mean, std, window;
  bool no_exif = false;
};

void add_picture_options(CLI::App& app, const PictureKind& kind, PictureOptions& options);
cli::Outcome tokenize_pictures(const PictureKind& kind, PictureOptions options);

// The action of a modality that is this kind of picture.
cli::Action describe_pictures(CLI::App& app, const PictureKind& kind);

}  // namespace mt::tokenize
