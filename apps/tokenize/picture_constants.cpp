#include "tokenize/picture_constants.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt::tokenize {

namespace {

constexpr std::size_t kMostPixels = std::size_t{1} << 26;

const Normalization kImagenet{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};
const Normalization kHalf{{0.5F, 0.5F, 0.5F}, {0.5F, 0.5F, 0.5F}};

}  // namespace

const Normalization kClip{{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};

Size size_named(const std::string& text) {
  const auto parts = split(text, 'x');
  const auto height = parse_int(parts[0]), width = parts.size() == 2 ? parse_int(parts[1]) : height;
  if (!height || !width || parts.size() > 2 || *height < 1 || *width < 1 || *height > 65536 || *width > 65536 ||
      static_cast<std::size_t>(*height) * static_cast<std::size_t>(*width) > kMostPixels) {
    throw UsageError("--size", fmt::format("\"{}\" is not a side in pixels or HEIGHTxWIDTH", text),
                     "e.g. 224 or 288x144");
  }
  return {static_cast<std::size_t>(*height), static_cast<std::size_t>(*width)};
}

std::vector<float> constants_named(const std::string& option, const std::string& text, bool deviation,
                                   std::size_t channels) {
  for (const auto& [name, preset] : {std::pair{"clip", &kClip}, {"imagenet", &kImagenet}, {"half", &kHalf}}) {
    if (text == name && channels == 3) return deviation ? preset->std : preset->mean;
  }
  std::vector<float> numbers;
  for (const std::string_view part : split(text, ',')) {
    const auto number = parse_double(part);
    if (!number || !(*number > (deviation ? 0.0 : -1e6)) || *number > 1e6) numbers.clear();
    if (!number || !(*number > (deviation ? 0.0 : -1e6)) || *number > 1e6) break;
    numbers.push_back(static_cast<float>(*number));
  }
  if (numbers.size() == 1) numbers.resize(channels, numbers[0]);
  if (numbers.size() != channels) {
    throw UsageError(option, fmt::format("\"{}\" is not clip, imagenet, half or {} numbers", text, channels));
  }
  return numbers;
}

}  // namespace mt::tokenize
