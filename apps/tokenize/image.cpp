#include "tokenize/modality.h"
#include "tokenize/pictures.h"

namespace mt::tokenize {

Modality image_modality() {
  const PictureKind kind{"image", false, "none"};
  return {"image",
          "pictures: JPEG, PNG, TIFF, WebP, GIF, BMP, PNM, TGA; IDX, NPY, NPZ",
          {"mt-tokenize",
           "image [options] INPUT... -o TOKENS",
           "Turn pictures into tokens: resized, cut into patches, embedded by a model's own projection.",
           {"mt-tokenize image photos/ --model b16.h5 --labels directory -o photos.tokens.h5",
            "mt-tokenize image photos/ --model b16.h5 -o - | mt-encode - --model b16.h5 -o photos.features.h5",
            "find photos -name '*.jpg' | mt-tokenize image - --patches -o photos.patches.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
          [kind](CLI::App& app) { return describe_pictures(app, kind); }};
}

}  // namespace mt::tokenize
