// PNM (P1 to P6): bitmap, grey and colour, as text and as bytes, up to 16 bits a sample. Of several pictures in one
// file the first is taken. Samples are scaled to the full range of 8 or 16 bits with Pillow's rounding.
#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "decode/image_formats.h"

namespace mt::formats {

namespace {

class PnmReader {
 public:
  PnmReader(std::span<const std::byte> bytes, std::string_view name)
      : text_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), name_(name) {}

  Image read(const ImageLimits& limits) {
    kind_ = text_[1] - '0';
    at_ = 2;
    const std::uint64_t width = number("width"), height = number("height");
    maximum_ = kind_ == 1 || kind_ == 4 ? 1 : number("maximum");
    if (maximum_ < 1 || maximum_ > 65535) {
      throw Error(name_, fmt::format("the PNM declares the maximum {}, 1 to 65535 are read", maximum_));
    }
    const bool plain = kind_ <= 3;
    if (!plain) ++at_;  // exactly one white space, behind which samples start
    const std::size_t channels = kind_ == 3 || kind_ == 6 ? 3 : 1;
    const std::size_t sample_bytes = maximum_ > 255 ? 2 : 1;
    check_extent(width, height, channels * sample_bytes, text_.size(), name_, limits);
    samples_per_row_ = width * channels;
    const std::uint64_t row_bytes = kind_ == 4 ? (width + 7) / 8 : samples_per_row_ * (plain ? 1 : sample_bytes);
    require_bytes(checked_mul(row_bytes, height, name_));

    Image image = blank_image(sample_bytes == 2 ? DType::u16 : DType::u8, height, width, channels);
    if (kind_ == 4)
      unpack_bits(image.pixels.as<std::uint8_t>());
    else if (sample_bytes == 2)
      read_samples(image.pixels.as<std::uint16_t>(), plain);
    else
      read_samples(image.pixels.as<std::uint8_t>(), plain);
    return image;
  }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  Error cut() const {
    return Error(name_, fmt::format("the PNM ends after {} bytes, within its picture", text_.size()),
                 "it is cut: copy it again");
  }
  void require_bytes(std::uint64_t needed) const {
    if (at_ <= text_.size() && needed <= text_.size() - at_) return;
    throw Error(name_, fmt::format("the PNM ends after {} of at least {} bytes", text_.size(), at_ + needed),
                "it is cut: copy it again");
  }

  void skip_space() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#')
        at_ = std::min(text_.find_first_of("\r\n", at_), text_.size() - 1);
      else if (!is_space(text_[at_]))
        return;
    }
  }

  std::uint64_t number(std::string_view what) {
    skip_space();
    const std::size_t start = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9' && at_ - start < 10; ++at_) {
      value = value * 10 + static_cast<std::uint64_t>(text_[at_] - '0');
    }
    if (at_ >= text_.size() && at_ == start) throw cut();
    if (at_ == start || (at_ < text_.size() && !is_space(text_[at_]) && text_[at_] != '#')) {
      throw Error(name_, fmt::format("the PNM has no valid {} at byte {}", what, start), "save it again");
    }
    return value;
  }

  // "1" is ink.
  std::uint64_t plain_bit() {
    skip_space();
    if (at_ >= text_.size()) throw cut();
    const char c = text_[at_++];
    if (c != '0' && c != '1')
      throw Error(name_, fmt::format("the PNM has no valid bit at byte {}", at_ - 1), "save it again");
    return c == '0' ? 1 : 0;
  }

  std::uint64_t plain_sample() {
    if (kind_ == 1) return plain_bit();
    const std::uint64_t value = number("sample");
    if (value <= maximum_) return value;
    throw Error(name_, fmt::format("the PNM has the sample {}, its maximum is {}", value, maximum_), "save it again");
  }

  template <class T>
  void read_samples(std::span<T> out, bool plain) {
    constexpr unsigned kRange = std::numeric_limits<T>::max();
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text_[i]); };
    for (T& value : out) {
      std::uint64_t sample = 0;
      if (plain) {
        sample = plain_sample();
      } else {
        for (std::size_t i = 0; i < sizeof(T); ++i) sample = sample << 8 | byte(at_++);
      }
      value = maximum_ == kRange ? static_cast<T>(sample) : scaled<T>(sample);
    }
  }

  template <class T>
  T scaled(std::uint64_t sample) const {
    constexpr double kRange = std::numeric_limits<T>::max();
    return static_cast<T>(
        std::min(kRange, std::nearbyint(static_cast<double>(sample) / static_cast<double>(maximum_) * kRange)));
  }

  void unpack_bits(std::span<std::uint8_t> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t column = i % samples_per_row_;
      const auto packed = static_cast<unsigned char>(text_[at_ + column / 8]);
      out[i] = (packed >> (7 - column % 8) & 1u) != 0 ? 0 : 255;
      if (column + 1 == samples_per_row_) at_ += (samples_per_row_ + 7) / 8;
    }
  }

  std::string_view text_, name_;
  std::size_t at_ = 0;
  int kind_ = 0;
  std::uint64_t maximum_ = 255;
  std::size_t samples_per_row_ = 0;
};

}  // namespace

Image decode_pnm(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  return PnmReader(bytes, name).read(limits);
}

}  // namespace mt::formats
