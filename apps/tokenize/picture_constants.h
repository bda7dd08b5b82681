// Sizes and constants of pictures as the command line names them.
#pragma once

#include <string>
#include <vector>

#include "tokenize/image_patches.h"
#include "tokenize/image_tokenizer.h"

namespace mt::tokenize {

extern const Normalization kClip;

// "224" or "288x144" (height first). Throws UsageError.
Size size_named(const std::string& text);

// A preset's name (clip, imagenet, half), or one number, or as many as there are channels. Throws UsageError.
std::vector<float> constants_named(const std::string& option, const std::string& text, bool deviation,
                                   std::size_t channels);

}  // namespace mt::tokenize
