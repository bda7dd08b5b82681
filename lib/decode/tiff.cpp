// TIFF through libtiff: the first directory; integers of 1 to 32 bits and floats of 16 to 64, strips and tiles, planes
// together and apart, palette, CMYK, and what JPEG and YCbCr turn into RGB.
#include "base/error.h"
#include "decode/image_formats.h"

#ifdef MT_HAVE_TIFF

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include <fmt/format.h>
#include <tiffio.h>

#include "decode/tiff_samples.h"
#include "decode/tiff_source.h"

namespace mt::formats {

namespace {

constexpr std::uint64_t kMaxBlock = std::uint64_t{64}
                                    << 20;  // a strip or tile beyond this and beyond the picture is a bomb
constexpr unsigned kMaxSamples = 8;

template <class T>
void invert(std::span<T> values, std::size_t channels, T top) {
  for (std::size_t i = 0; i < values.size(); i += channels) values[i] = top - values[i];
}

// Colours that were stored multiplied by their opacity.
template <class T>
void divide_by_alpha(std::span<T> values, std::size_t channels, double top) {
  for (std::size_t i = 0; i < values.size(); i += channels) {
    const double alpha = static_cast<double>(values[i + channels - 1]);
    for (std::size_t c = 0; c + 1 < channels; ++c) {
      const double value = alpha > 0 ? std::min(top, static_cast<double>(values[i + c]) * top / alpha) : 0;
      values[i + c] = static_cast<T>(value);
    }
  }
}

class TiffReader {
 public:
  TiffReader(std::span<const std::byte> bytes, std::string_view name)
      : source_{bytes}, name_(name), tiff_(open_tiff(source_)) {
    if (!tiff_) throw damaged();
    width_ = field<std::uint32_t>(TIFFTAG_IMAGEWIDTH);
    height_ = field<std::uint32_t>(TIFFTAG_IMAGELENGTH);
    samples_ = field<std::uint16_t>(TIFFTAG_SAMPLESPERPIXEL);
    bits_ = field<std::uint16_t>(TIFFTAG_BITSPERSAMPLE);
    format_ = field<std::uint16_t>(TIFFTAG_SAMPLEFORMAT);
    if (format_ == SAMPLEFORMAT_VOID) format_ = SAMPLEFORMAT_UINT;
    compression_ = field<std::uint16_t>(TIFFTAG_COMPRESSION);
    std::uint16_t photometric = 0;
    if (TIFFGetField(tiff_.get(), TIFFTAG_PHOTOMETRIC, &photometric) == 0) {
      throw Error(name_, "the TIFF does not say what its samples mean (tag PhotometricInterpretation)",
                  "save it again");
    }
    photometric_ = photometric;
  }

  Image read(const ImageLimits& limits) {
    check_kind();
    check_extent(width_, height_, 1, source_.bytes.size(), name_, limits);
    Image image = is_ycbcr_raster() ? read_raster(limits) : colours(read_samples(limits), limits);
    std::uint16_t orientation = 1;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ORIENTATION, &orientation);
    // TIFF's orientation says how rows and columns are stored, so it belongs to the decoding (as Pillow has it).
    image.orientation = orientation;
    return oriented(std::move(image));
  }

 private:
  template <class T>
  T field(std::uint32_t tag) {
    T value = 0;
    if (TIFFGetFieldDefaulted(tiff_.get(), tag, &value) == 0) throw damaged();
    return value;
  }

  Error damaged() const {
    return Error(name_,
                 fmt::format("the TIFF of {} bytes is damaged or cut: {}", source_.bytes.size(),
                             source_.message.empty() ? "libtiff gives no reason" : source_.message),
                 "copy or save it again");
  }
  Error unread(std::string_view what) const {
    return Error(name_, fmt::format("is a TIFF {}, which is not read", what), "convert it to PNG, or to a plain TIFF");
  }

  void check_kind() const {
    constexpr unsigned kKnown[] = {
        COMPRESSION_NONE, COMPRESSION_CCITTRLE, COMPRESSION_CCITTRLEW, COMPRESSION_CCITTFAX3,     COMPRESSION_CCITTFAX4,
        COMPRESSION_LZW,  COMPRESSION_JPEG,     COMPRESSION_DEFLATE,   COMPRESSION_ADOBE_DEFLATE, COMPRESSION_PACKBITS,
        COMPRESSION_LZMA, COMPRESSION_ZSTD,     COMPRESSION_WEBP};
    if (std::find(std::begin(kKnown), std::end(kKnown), compression_) == std::end(kKnown) ||
        TIFFIsCODECConfigured(static_cast<std::uint16_t>(compression_)) == 0) {
      throw unread(fmt::format("of compression {}", compression_));
    }
    if (!TiffSamples(bits_, format_, false).known() || bits_ == 0) {
      throw unread(fmt::format("of {} bits a sample in sample format {}", bits_, format_));
    }
    if (samples_ == 0 || samples_ > kMaxSamples) throw unread(fmt::format("of {} samples a pixel", samples_));
    const bool known = photometric_ == PHOTOMETRIC_MINISWHITE || photometric_ == PHOTOMETRIC_MINISBLACK ||
                       photometric_ == PHOTOMETRIC_RGB || photometric_ == PHOTOMETRIC_PALETTE ||
                       photometric_ == PHOTOMETRIC_SEPARATED || photometric_ == PHOTOMETRIC_YCBCR;
    if (!known) throw unread(fmt::format("of photometric interpretation {}", photometric_));
    if (photometric_ == PHOTOMETRIC_MINISWHITE && format_ != SAMPLEFORMAT_UINT)
      throw unread("of signed samples with 0 as white");
    if (photometric_ == PHOTOMETRIC_PALETTE && bits_ > 8) throw unread(fmt::format("with a palette of {} bits", bits_));
    if (photometric_ == PHOTOMETRIC_SEPARATED && bits_ != 8 && bits_ != 16)
      throw unread(fmt::format("in CMYK of {} bits", bits_));
  }

  bool is_ycbcr_raster() const {
    return photometric_ == PHOTOMETRIC_YCBCR && compression_ != COMPRESSION_JPEG && samples_ == 3;
  }

  // The library's own conversion to RGB, for chroma that is stored at half the resolution.
  Image read_raster(const ImageLimits& limits) {
    check_extent(width_, height_, 8, source_.bytes.size(), name_, limits);
    Tensor raster(DType::i32, {height_, width_});
    source_.reading_pixels = true;
    TIFFSetField(tiff_.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
    auto* words = reinterpret_cast<std::uint32_t*>(raster.mutable_data());
    const int done = TIFFReadRGBAImageOriented(tiff_.get(), width_, height_, words, ORIENTATION_TOPLEFT, 1);
    if (done == 0 || !source_.message.empty()) throw damaged();
    Image image = blank_image(DType::u8, height_, width_, 3);
    std::uint8_t* to = image.pixels.as<std::uint8_t>().data();
    for (std::size_t i = 0; i < raster.size(); ++i) {
      *to++ = static_cast<std::uint8_t>(TIFFGetR(words[i]));
      *to++ = static_cast<std::uint8_t>(TIFFGetG(words[i]));
      *to++ = static_cast<std::uint8_t>(TIFFGetB(words[i]));
    }
    return image;
  }

  // [height, width, samples]
  Tensor read_samples(const ImageLimits& limits) {
    if (photometric_ == PHOTOMETRIC_YCBCR && compression_ == COMPRESSION_JPEG) {
      TIFFSetField(tiff_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      photometric_ = samples_ == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB;
    }
    const TiffSamples kind(bits_, format_, photometric_ == PHOTOMETRIC_PALETTE);
    check_extent(width_, height_, samples_ * size_of(kind.dtype()), source_.bytes.size(), name_, limits);
    const bool tiled = TIFFIsTiled(tiff_.get()) != 0;
    std::uint32_t block_width = width_, block_height = height_;
    if (tiled) {
      block_width = field<std::uint32_t>(TIFFTAG_TILEWIDTH);
      block_height = field<std::uint32_t>(TIFFTAG_TILELENGTH);
    } else {
      block_height = std::min(height_, field<std::uint32_t>(TIFFTAG_ROWSPERSTRIP));
    }
    if (block_width == 0 || block_height == 0) throw Error(name_, "the TIFF has strips or tiles without pixels");
    const bool apart = field<std::uint16_t>(TIFFTAG_PLANARCONFIG) == PLANARCONFIG_SEPARATE;
    const std::uint64_t block_samples = apart ? 1 : samples_;
    const std::uint64_t row_bytes = (block_width * block_samples * bits_ + 7) / 8;
    const auto whole = static_cast<std::uint64_t>(tiled ? TIFFTileSize64(tiff_.get()) : TIFFStripSize64(tiff_.get()));
    const std::uint64_t picture = std::uint64_t{width_} * height_ * samples_ * 8;
    if (block_height > std::numeric_limits<std::uint64_t>::max() / row_bytes || whole != row_bytes * block_height) {
      throw Error(name_, "the TIFF's strips or tiles are not as large as their sides say", "save it again");
    }
    if (whole > std::max(kMaxBlock, picture)) {
      throw Error(name_, fmt::format("the TIFF declares tiles of {} x {} pixels for a picture of {} x {}", block_width,
                                     block_height, width_, height_));
    }

    Tensor samples(kind.dtype(), {height_, width_, samples_});
    std::vector<std::byte> block(whole);
    source_.reading_pixels = true;
    std::uint32_t number = 0;
    for (unsigned plane = 0; plane < (apart ? samples_ : 1); ++plane) {
      for (std::uint64_t top = 0; top < height_; top += block_height) {
        for (std::uint64_t left = 0; left < width_; left += block_width, ++number) {
          const std::uint64_t rows = std::min<std::uint64_t>(block_height, height_ - top);
          const std::uint64_t columns = std::min<std::uint64_t>(block_width, width_ - left);
          read_block(number, tiled, block, tiled ? whole : rows * row_bytes);
          for (std::uint64_t row = 0; row < rows; ++row) {
            const std::size_t pixel = (top + row) * width_ + left;
            kind.unpack(block.data() + row * row_bytes, columns * block_samples,
                        samples.mutable_data() + (pixel * samples_ + plane) * size_of(kind.dtype()),
                        apart ? samples_ : 1);
          }
        }
      }
    }
    return samples;
  }

  void read_block(std::uint32_t number, bool tiled, std::vector<std::byte>& block, std::uint64_t expected) {
    const auto size = static_cast<tmsize_t>(expected);
    const tmsize_t got = tiled ? TIFFReadEncodedTile(tiff_.get(), number, block.data(), size)
                               : TIFFReadEncodedStrip(tiff_.get(), number, block.data(), size);
    if (got != size || !source_.message.empty()) throw damaged();
  }

  // How many of the samples are colour, and whether the next one is opacity.
  struct Layout {
    std::size_t colours = 1;
    bool alpha = false, multiplied = false;
  };
  Layout layout() const {
    Layout found;
    if (photometric_ == PHOTOMETRIC_RGB) found.colours = 3;
    if (photometric_ == PHOTOMETRIC_SEPARATED) found.colours = 4;
    if (samples_ < found.colours)
      throw unread(fmt::format("of {} samples a pixel where {} are needed", samples_, found.colours));
    std::uint16_t count = 0;
    std::uint16_t* types = nullptr;
    const bool said = TIFFGetField(tiff_.get(), TIFFTAG_EXTRASAMPLES, &count, &types) != 0 && count > 0;
    found.multiplied = said && types[0] == EXTRASAMPLE_ASSOCALPHA;
    found.alpha = samples_ > found.colours && (said ? types[0] != EXTRASAMPLE_UNSPECIFIED : found.colours == 3);
    if (found.colours == 1 && samples_ > 2) {
      throw Error(name_, fmt::format("the TIFF has {} bands, pictures have 1 to 4", samples_),
                  "split it, or select bands");
    }
    return found;
  }

  Image colours(Tensor samples, const ImageLimits& limits) {
    const Layout found = layout();
    if (photometric_ == PHOTOMETRIC_PALETTE) return from_palette(samples, limits);
    if (photometric_ == PHOTOMETRIC_SEPARATED) return from_inks(samples, limits);
    if (photometric_ == PHOTOMETRIC_MINISWHITE) {
      if (samples.dtype() == DType::u8)
        invert<std::uint8_t>(samples.as<std::uint8_t>(), samples_, 255);
      else if (samples.dtype() == DType::u16)
        invert<std::uint16_t>(samples.as<std::uint16_t>(), samples_, 65535);
      else
        invert<float>(samples.as<float>(), samples_, static_cast<float>(std::numeric_limits<std::uint32_t>::max()));
    }
    Image image;
    image.pixels = first_channels(std::move(samples), found.colours + (found.alpha ? 1 : 0));
    if (found.alpha && found.multiplied) {
      if (image.pixels.dtype() == DType::u8)
        divide_by_alpha(image.pixels.as<std::uint8_t>(), image.channels(), 255);
      else if (image.pixels.dtype() == DType::u16)
        divide_by_alpha(image.pixels.as<std::uint16_t>(), image.channels(), 65535);
      else
        divide_by_alpha(image.pixels.as<float>(), image.channels(), 1);
    }
    return image;
  }

  Tensor first_channels(Tensor samples, std::size_t channels) const {
    if (channels == samples_) return samples;
    const std::size_t item = size_of(samples.dtype());
    Tensor out(samples.dtype(), {height_, width_, channels});
    for (std::size_t i = 0; i < std::size_t{width_} * height_; ++i) {
      std::memcpy(out.mutable_data() + i * channels * item, samples.data() + i * samples_ * item, channels * item);
    }
    return out;
  }

  Image from_palette(const Tensor& samples, const ImageLimits& limits) {
    const std::uint16_t *red = nullptr, *green = nullptr, *blue = nullptr;
    if (TIFFGetField(tiff_.get(), TIFFTAG_COLORMAP, &red, &green, &blue) == 0) {
      throw Error(name_, "the TIFF has colour numbers but no palette", "save it again");
    }
    // The palette has 16 bits. Old writers left 8-bit values in it, which then nowhere exceed 255.
    const std::size_t entries = std::size_t{1} << bits_;
    const auto top = [&](const std::uint16_t* map) { return *std::max_element(map, map + entries); };
    const unsigned shift = std::max({top(red), top(green), top(blue)}) > 255 ? 8 : 0;
    check_extent(width_, height_, 3, source_.bytes.size(), name_, limits);
    Image image = blank_image(DType::u8, height_, width_, 3);
    std::uint8_t* to = image.pixels.as<std::uint8_t>().data();
    const std::span<const std::uint8_t> indices = samples.as<std::uint8_t>();
    for (std::size_t i = 0; i < indices.size(); i += samples_) {
      *to++ = static_cast<std::uint8_t>(red[indices[i]] >> shift);
      *to++ = static_cast<std::uint8_t>(green[indices[i]] >> shift);
      *to++ = static_cast<std::uint8_t>(blue[indices[i]] >> shift);
    }
    return image;
  }

  Image from_inks(const Tensor& samples, const ImageLimits& limits) {
    if (samples_ < 4) throw unread(fmt::format("of {} inks", samples_));
    check_extent(width_, height_, 3, source_.bytes.size(), name_, limits);
    Image image = blank_image(DType::u8, height_, width_, 3);
    std::uint8_t* to = image.pixels.as<std::uint8_t>().data();
    for (std::size_t i = 0; i < samples.size(); i += samples_, to += 3) {
      std::uint8_t inks[4];
      for (std::size_t c = 0; c < 4; ++c) {
        inks[c] = samples.dtype() == DType::u8 ? samples.as<std::uint8_t>()[i + c]
                                               : static_cast<std::uint8_t>(samples.as<std::uint16_t>()[i + c] >> 8);
      }
      cmyk_to_rgb(inks, to);
    }
    return image;
  }

  TiffSource source_;
  std::string_view name_;
  TiffHandle tiff_;
  std::uint32_t width_ = 0, height_ = 0;
  unsigned samples_ = 1, bits_ = 1, format_ = SAMPLEFORMAT_UINT, compression_ = COMPRESSION_NONE, photometric_ = 0;
};

}  // namespace

Image decode_tiff(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  return TiffReader(bytes, name).read(limits);
}

}  // namespace mt::formats

#else

namespace mt::formats {
Image decode_tiff(std::span<const std::byte>, std::string_view name, const ImageLimits&) {
  throw Error(name, "is a TIFF, which this build cannot read", "install libtiff-dev and build again");
}
}  // namespace mt::formats

#endif
