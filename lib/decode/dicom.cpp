// DICOM through DCMTK: the first frame, in the units of its rescaling. Grey values become float32, MONOCHROME1 is
// turned around so that more is brighter, and the first window of the file is handed on.
#include "base/error.h"
#include "decode/image_formats.h"

#ifdef MT_HAVE_DCMTK

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include <dcmtk/config/osconfig.h>

#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcfilefo.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <dcmtk/oflog/oflog.h>
#include <fmt/format.h>

namespace mt::formats {

namespace {

// DCMTK's logger and codecs belong to the process. The logger would print; errors come back as conditions all the same.
void prepare_dcmtk() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
    DcmRLEDecoderRegistration::registerCodecs();
  });
}

class DicomReader {
 public:
  DicomReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    prepare_dcmtk();
    // Every element has an even length, and so has the file; DCMTK insists.
    if (bytes.size() % 2 != 0) throw damaged("an odd number of bytes");
    DcmInputBufferStream stream;
    stream.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
    stream.setEos();
    file_.transferInit();
    const OFCondition condition = file_.read(stream, EXS_Unknown, EGL_noChange);
    file_.transferEnd();
    if (condition.bad()) throw damaged(condition.text());
  }

  Image read(const ImageLimits& limits) {
    DcmDataset& data = *file_.getDataset();
    const std::size_t rows = required(DCM_Rows), columns = required(DCM_Columns);
    const std::size_t samples = optional(DCM_SamplesPerPixel, 1);
    if (samples != 1 && samples != 3) throw unread(fmt::format("of {} samples a pixel", samples));
    check_extent(columns, rows, samples * sizeof(float), bytes_.size(), name_, limits);
    const OFCondition decoded = data.chooseRepresentation(EXS_LittleEndianExplicit, nullptr);
    if (decoded.bad()) {
      throw Error(
          name_,
          fmt::format("the DICOM file's pixels are compressed in a way that cannot be decoded: {}", decoded.text()),
          "decompress it with dcmdjpeg or gdcmconv --raw");
    }
    bits_allocated_ = required(DCM_BitsAllocated);
    bits_stored_ = optional(DCM_BitsStored, bits_allocated_);
    const std::size_t high_bit = optional(DCM_HighBit, bits_stored_ - 1);
    if ((bits_allocated_ != 8 && bits_allocated_ != 16) || bits_stored_ == 0 || bits_stored_ > bits_allocated_ ||
        high_bit + 1 < bits_stored_ || high_bit >= bits_allocated_) {
      throw unread(fmt::format("of {} bits in {}, the highest being {}", bits_stored_, bits_allocated_, high_bit));
    }
    shift_ = high_bit + 1 - bits_stored_;
    is_signed_ = optional(DCM_PixelRepresentation, 0) == 1;

    const std::span<const std::byte> stored = pixel_bytes(rows * columns * samples * (bits_allocated_ / 8));
    OFString photometric;
    data.findAndGetOFString(DCM_PhotometricInterpretation, photometric);
    if (samples == 3 && photometric == "RGB" && bits_allocated_ == 8) return colour(stored, rows, columns);
    if (samples == 1 && photometric == "MONOCHROME1") return grey(stored, rows, columns, true);
    if (samples == 1 && photometric == "MONOCHROME2") return grey(stored, rows, columns, false);
    throw unread(fmt::format("of photometric interpretation \"{}\" with {} x {} bits", photometric.c_str(), samples,
                             bits_allocated_));
  }

 private:
  Error damaged(std::string_view why) const {
    return Error(name_, fmt::format("the DICOM file of {} bytes is damaged or cut: {}", bytes_.size(), why),
                 "copy it again");
  }
  Error unread(std::string_view what) const {
    return Error(name_, fmt::format("is a DICOM file {}, which is not read", what), "convert it with dcmj2pnm");
  }

  std::size_t required(const DcmTagKey& tag) {
    Uint16 value = 0;
    if (file_.getDataset()->findAndGetUint16(tag, value).bad()) {
      throw Error(name_, fmt::format("the DICOM file lacks the element {}", tag.toString().c_str()),
                  "it holds no picture");
    }
    return value;
  }
  std::size_t optional(const DcmTagKey& tag, std::size_t fallback) {
    Uint16 value = 0;
    return file_.getDataset()->findAndGetUint16(tag, value).good() ? value : fallback;
  }
  bool number(const DcmTagKey& tag, double& value) {
    Float64 found = 0;
    if (file_.getDataset()->findAndGetFloat64(tag, found).bad()) return false;
    value = found;
    return true;
  }

  std::span<const std::byte> pixel_bytes(std::size_t frame_bytes) {
    DcmElement* element = nullptr;
    if (file_.getDataset()->findAndGetElement(DCM_PixelData, element).bad()) throw damaged("it has no pixel data");
    const void* values = nullptr;
    Uint8* small = nullptr;
    Uint16* wide = nullptr;
    if (element->getUint8Array(small).good() && small != nullptr)
      values = small;
    else if (element->getUint16Array(wide).good() && wide != nullptr)
      values = wide;
    const std::size_t have = element->getLength();
    if (values == nullptr || have < frame_bytes) {
      throw damaged(fmt::format("it has {} of {} bytes of pixels", values == nullptr ? 0 : have, frame_bytes));
    }
    return {static_cast<const std::byte*>(values), frame_bytes};
  }

  double value_at(std::span<const std::byte> stored, std::size_t i) const {
    std::uint32_t raw = std::to_integer<std::uint32_t>(stored[i]);
    if (bits_allocated_ == 16) {
      std::uint16_t word;
      std::memcpy(&word, stored.data() + 2 * i, 2);
      raw = word;
    }
    const std::uint32_t mask = (1u << bits_stored_) - 1, value = raw >> shift_ & mask;
    if (is_signed_ && (value >> (bits_stored_ - 1)) != 0) return static_cast<double>(value) - mask - 1.0;
    return value;
  }

  Image grey(std::span<const std::byte> stored, std::size_t rows, std::size_t columns, bool inverted) {
    if (file_.getDataset()->tagExists(DCM_ModalityLUTSequence)) throw unread("with a modality lookup table");
    double slope = 1, intercept = 0, center = 0, width = 0;
    number(DCM_RescaleSlope, slope);
    number(DCM_RescaleIntercept, intercept);
    // Turned around: v becomes darkest + brightest - v, over the range that the stored bits can hold.
    const double range = static_cast<double>((1u << bits_stored_) - 1);
    const double lowest = is_signed_ ? -(range + 1) / 2 : 0;
    const double sum = slope * (2 * lowest + range) + 2 * intercept;

    Image image = blank_image(DType::f32, rows, columns, 1);
    const std::span<float> values = image.pixels.as<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double value = slope * value_at(stored, i) + intercept;
      values[i] = static_cast<float>(inverted ? sum - value : value);
    }
    if (number(DCM_WindowCenter, center) && number(DCM_WindowWidth, width) && width > 0) {
      image.window_center = inverted ? sum - center : center;
      image.window_width = width;
    }
    return image;
  }

  Image colour(std::span<const std::byte> stored, std::size_t rows, std::size_t columns) {
    Image image = blank_image(DType::u8, rows, columns, 3);
    std::uint8_t* to = image.pixels.as<std::uint8_t>().data();
    const bool apart = optional(DCM_PlanarConfiguration, 0) == 1;
    const std::size_t pixels = rows * columns;
    for (std::size_t i = 0; i < 3 * pixels; ++i) {
      to[i] = std::to_integer<std::uint8_t>(stored[apart ? i % 3 * pixels + i / 3 : i]);
    }
    return image;
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  DcmFileFormat file_;
  std::size_t bits_allocated_ = 16, bits_stored_ = 16, shift_ = 0;
  bool is_signed_ = false;
};

}  // namespace

Image decode_dicom(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  return DicomReader(bytes, name).read(limits);
}

}  // namespace mt::formats

#else

namespace mt::formats {
Image decode_dicom(std::span<const std::byte>, std::string_view name, const ImageLimits&) {
  throw Error(name, "is a DICOM file, which this build cannot read", "install libdcmtk-dev and build again");
}
}  // namespace mt::formats

#endif
