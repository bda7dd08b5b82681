#include "tokenize/modality.h"
#include "tokenize/pictures.h"

namespace mt::tokenize {

Modality infrared_modality() {
  const PictureKind kind{"infrared", true, "auto"};
  return {"infrared",
          "thermal pictures of one channel, 8 or 16 bit, in the same files",
          {"mt-tokenize",
           "infrared [options] INPUT... -o TOKENS",
           "Turn infrared pictures into tokens: windowed, resized, and shown to all channels of an image model.",
           {"mt-tokenize infrared thermal/ --model b16.h5 --labels directory -o thermal.tokens.h5",
            "mt-tokenize infrared people/ --model b16.h5 --size 288x144 --resize stretch -o people.tokens.h5",
            "mt-tokenize infrared raw16/ --model b16.h5 --window 7000,9500 -o raw16.tokens.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
          [kind](CLI::App& app) { return describe_pictures(app, kind); }};
}

}  // namespace mt::tokenize
