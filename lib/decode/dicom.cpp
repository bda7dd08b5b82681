// DICOM: the first frame, in the units of its rescaling. Grey values become float32, MONOCHROME1 is turned around so
// that more is brighter, and the first window of the file is handed on. The file is parsed here, since DCMTK allocates
// whatever an element declares; DCMTK decompresses lossless JPEG, JPEG-LS, 12-bit JPEG and run lengths.
#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "decode/dicom_codecs.h"
#include "decode/dicom_elements.h"
#include "decode/image_formats.h"

namespace mt::formats {

namespace {

constexpr std::uint32_t kSamples = dicom_tag(0x28, 2), kPhotometric = dicom_tag(0x28, 4), kPlanar = dicom_tag(0x28, 6),
                        kFrames = dicom_tag(0x28, 8), kRows = dicom_tag(0x28, 0x10), kColumns = dicom_tag(0x28, 0x11),
                        kBitsAllocated = dicom_tag(0x28, 0x100), kBitsStored = dicom_tag(0x28, 0x101),
                        kHighBit = dicom_tag(0x28, 0x102), kSigned = dicom_tag(0x28, 0x103),
                        kWindowCenter = dicom_tag(0x28, 0x1050), kWindowWidth = dicom_tag(0x28, 0x1051),
                        kIntercept = dicom_tag(0x28, 0x1052), kSlope = dicom_tag(0x28, 0x1053),
                        kLookup = dicom_tag(0x28, 0x3000);
constexpr std::string_view kJpegBaseline = "1.2.840.10008.1.2.4.50";

class DicomReader {
 public:
  DicomReader(std::span<const std::byte> bytes, std::string_view name)
      : file_bytes_(bytes.size()), name_(name), elements_(read_dicom_elements(bytes, name)) {}

  Image read(const ImageLimits& limits) {
    describe();
    const std::uint64_t samples = frame_.samples;
    check_extent(frame_.columns, frame_.rows, samples * sizeof(float), file_bytes_, name_, limits);
    const std::size_t frame_bytes = std::size_t{frame_.rows} * frame_.columns * samples * (frame_.bits_allocated / 8);
    std::vector<std::byte> decompressed;
    std::span<const std::byte> stored = elements_.pixels;
    if (!elements_.fragments.empty()) {
      if (elements_.transfer_syntax == kJpegBaseline && frame_.bits_allocated == 8) return from_jpeg(limits);
      decompressed = decompress_dicom_frame(frame_, elements_.transfer_syntax, first_frame(), name_);
      stored = decompressed;
    }
    if (stored.size() < frame_bytes) {
      throw Error(name_, fmt::format("the DICOM file has {} of {} bytes of pixels", stored.size(), frame_bytes),
                  "copy it again");
    }
    return frame_.samples == 3 ? colour(stored) : grey(stored);
  }

 private:
  Error unread(std::string_view what) const {
    return Error(name_, fmt::format("is a DICOM file {}, which is not read", what), "convert it with dcmj2pnm");
  }

  std::uint16_t required(std::uint32_t tag, std::string_view what) const {
    const std::optional<std::uint16_t> value = elements_.whole(tag);
    if (!value) throw Error(name_, fmt::format("the DICOM file does not say its {}", what), "leave it out");
    return *value;
  }

  void describe() {
    frame_.rows = required(kRows, "rows");
    frame_.columns = required(kColumns, "columns");
    frame_.samples = elements_.whole(kSamples).value_or(1);
    frame_.bits_allocated = required(kBitsAllocated, "bits");
    frame_.bits_stored = elements_.whole(kBitsStored).value_or(frame_.bits_allocated);
    frame_.high_bit = elements_.whole(kHighBit).value_or(static_cast<std::uint16_t>(frame_.bits_stored - 1));
    frame_.is_signed = elements_.whole(kSigned).value_or(0) == 1;
    frame_.photometric = elements_.text(kPhotometric);
    frame_.planes_apart = elements_.whole(kPlanar).value_or(0) == 1;
    const unsigned allocated = frame_.bits_allocated, stored = frame_.bits_stored, high = frame_.high_bit;
    if ((allocated != 8 && allocated != 16) || stored == 0 || stored > allocated || high + 1 < stored ||
        high >= allocated) {
      throw unread(fmt::format("of {} bits in {}, the highest being {}", stored, allocated, high));
    }
    const bool grey =
        frame_.samples == 1 && (frame_.photometric == "MONOCHROME1" || frame_.photometric == "MONOCHROME2");
    const bool jpeg = elements_.transfer_syntax == kJpegBaseline;  // converts to RGB by itself
    const bool colour = frame_.samples == 3 && allocated == 8 && (frame_.photometric == "RGB" || jpeg);
    if (!grey && !colour) {
      throw unread(fmt::format("of photometric interpretation \"{}\" with {} samples of {} bits", frame_.photometric,
                               frame_.samples, allocated));
    }
    if (elements_.has(kLookup)) throw unread("with a modality lookup table");
  }

  // The compressed parts of the first frame.
  std::vector<std::span<const std::byte>> first_frame() const {
    const auto& fragments = elements_.fragments;
    const double frames = elements_.decimal(kFrames).value_or(1);
    if (frames <= 1) return fragments;
    if (frames == static_cast<double>(fragments.size())) return {fragments.front()};
    const std::vector<std::uint32_t>& offsets = elements_.frame_offsets;
    if (offsets.size() < 2) throw unread("whose frames cannot be told apart");
    std::vector<std::span<const std::byte>> first;
    for (std::uint64_t at = 0; first.size() < fragments.size() && at < offsets[1];) {
      first.push_back(fragments[first.size()]);
      at += first.back().size() + 8;  // each with its item's header
    }
    return first;
  }

  Image from_jpeg(const ImageLimits& limits) const {
    std::vector<std::byte> stream;
    for (const auto part : first_frame()) stream.insert(stream.end(), part.begin(), part.end());
    const Image jpeg = decode_jpeg(stream, name_, {limits.max_pixels, 0});
    if (jpeg.height() != frame_.rows || jpeg.width() != frame_.columns || jpeg.channels() != frame_.samples) {
      throw Error(name_, fmt::format("the DICOM file declares {} x {} pixels of {} samples, its JPEG has {} x {} of {}",
                                     frame_.columns, frame_.rows, frame_.samples, jpeg.width(), jpeg.height(),
                                     jpeg.channels()));
    }
    return frame_.samples == 3 ? jpeg : grey(jpeg.pixels.bytes());
  }

  double value_at(std::span<const std::byte> stored, std::size_t i) const {
    std::uint32_t raw = 0;
    if (frame_.bits_allocated == 16) {
      std::uint16_t word;
      std::memcpy(&word, stored.data() + 2 * i, 2);
      raw = word;
    } else {
      raw = std::to_integer<std::uint32_t>(stored[i]);
    }
    const std::uint32_t mask = (1u << frame_.bits_stored) - 1;
    const std::uint32_t value = raw >> (frame_.high_bit + 1 - frame_.bits_stored) & mask;
    if (frame_.is_signed && value >> (frame_.bits_stored - 1) != 0) return static_cast<double>(value) - mask - 1.0;
    return value;
  }

  Image grey(std::span<const std::byte> stored) const {
    const double slope = elements_.decimal(kSlope).value_or(1), intercept = elements_.decimal(kIntercept).value_or(0);
    // Turned around: v becomes darkest + brightest - v, over the range that the stored bits can hold.
    const double range = static_cast<double>((1u << frame_.bits_stored) - 1);
    const double lowest = frame_.is_signed ? -(range + 1) / 2 : 0;
    const double sum = slope * (2 * lowest + range) + 2 * intercept;
    const bool inverted = frame_.photometric == "MONOCHROME1";

    Image image = blank_image(DType::f32, frame_.rows, frame_.columns, 1);
    const std::span<float> values = image.pixels.as<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = slope * value_at(stored, i) + intercept;
      values[i] = static_cast<float>(inverted ? sum - value : value);
    }
    const std::optional<double> center = elements_.decimal(kWindowCenter), width = elements_.decimal(kWindowWidth);
    if (center && width && std::isfinite(*center) && std::isfinite(*width) && *width > 0) {
      image.window_center = inverted ? sum - *center : *center;
      image.window_width = width;
    }
    return image;
  }

  Image colour(std::span<const std::byte> stored) const {
    Image image = blank_image(DType::u8, frame_.rows, frame_.columns, 3);
    std::uint8_t* to = image.pixels.as<std::uint8_t>().data();
    const std::size_t pixels = image.height() * image.width();
    for (std::size_t i = 0; i < 3 * pixels; ++i) {
      to[i] = std::to_integer<std::uint8_t>(stored[frame_.planes_apart ? i % 3 * pixels + i / 3 : i]);
    }
    return image;
  }

  std::size_t file_bytes_;
  std::string_view name_;
  DicomElements elements_;
  DicomFrame frame_;
};

}  // namespace

Image decode_dicom(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  return DicomReader(bytes, name).read(limits);
}

}  // namespace mt::formats
