#include "tokenize/modality.h"
#include "tokenize/pictures.h"

namespace mt::tokenize {

Modality xray_modality() {
  const PictureKind kind{"xray", true, "auto"};
  return {"xray",
          "radiographs of one channel, 8 or 16 bit, in the same files; DICOM where built with DCMTK",
          {"mt-tokenize",
           "xray [options] INPUT... -o TOKENS",
           "Turn X-ray pictures into tokens: windowed, resized, and shown to all channels of an image model.",
           {"mt-tokenize xray chest/ --model b16.h5 --labels directory -o chest.tokens.h5",
            "mt-tokenize xray chest/ --model b16.h5 --window percentile:1,99 --channels sum -o chest.tokens.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
          [kind](CLI::App& app) { return describe_pictures(app, kind); }};
}

}  // namespace mt::tokenize
