// PNG through libpng. Animated PNG gives its default picture, since libpng skips the chunks of the animation.
#include <algorithm>
#include <csetjmp>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <png.h>

#include "base/error.h"
#include "decode/image_formats.h"

namespace mt::formats {

namespace {

constexpr std::uint64_t kDeflateRatio = 1032;  // one byte of deflate gives at most this many

// Skipped unread: none changes a pixel here, and compressed text and colour profiles are where bombs hide.
constexpr png_byte kSkipped[] =
    "bKGD\0cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0sTER\0tEXt\0tIME\0zTXt";

// libpng reports by calling back and must not be returned to: see jpeg.cpp.
class PngReader {
 public:
  PngReader(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ != nullptr) end_ = png_create_info_struct(png_);
    if (end_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      throw std::bad_alloc();
    }
    guarded([this] {
      png_set_read_fn(png_, this, on_read);
      png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_extent decides, and says it better
      // No chunk is larger than its file. libpng only warns of one (on_warning), then allocates what it declares.
      png_set_chunk_malloc_max(png_, std::max<png_alloc_size_t>(bytes_.size(), 1));
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, 0);
      png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, kSkipped, sizeof kSkipped / 5);
    });
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, &end_); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  png_structp png() const { return png_; }
  png_infop info() const { return info_; }
  png_infop end() const { return end_; }

  // Runs calls, which must create no object with a destructor.
  template <class Calls>
  void guarded(const Calls& calls) {
    if (setjmp(png_jmpbuf(png_)) == 0) {
      calls();
      return;
    }
    if (cut_) {
      throw Error(name_, fmt::format("the PNG ends after {} bytes, before its IEND chunk", bytes_.size()),
                  "it is cut: copy it again");
    }
    throw Error(name_, fmt::format("the PNG is damaged at byte {} of {}: {}", at_, bytes_.size(), message_),
                "copy or save it again");
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngReader*>(png_get_error_ptr(png));
    std::strncpy(self.message_, message, sizeof self.message_ - 1);
    png_longjmp(png, 1);
  }
  // Warnings about side matters pass; those about pixels and transparency do not.
  static void on_warning(png_structp png, png_const_charp message) {
    const std::string_view text(message);
    if (text.ends_with("chunk data is too large")) {
      static_cast<PngReader*>(png_get_error_ptr(png))->cut_ = true;
      on_error(png, message);
    }
    const bool surplus = text == "IDAT: Too much image data" || text == "IDAT: Extra compressed data";
    if ((text.starts_with("IDAT:") && !surplus) || text == "tRNS: CRC error") on_error(png, message);
  }
  static void on_read(png_structp png, png_bytep out, png_size_t count) {
    auto& self = *static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > self.bytes_.size() - self.at_) {
      self.cut_ = true;
      on_error(png, "end of file");
    }
    std::memcpy(out, self.bytes_.data() + self.at_, count);
    self.at_ += count;
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  std::size_t at_ = 0;
  bool cut_ = false;
  char message_[256] = "";
  png_structp png_ = nullptr;
  png_infop info_ = nullptr, end_ = nullptr;
};

int orientation_of([[maybe_unused]] png_structp png, [[maybe_unused]] png_infop info) {
#ifdef PNG_eXIf_SUPPORTED
  png_uint_32 size = 0;
  png_bytep data = nullptr;
  if (png_get_eXIf_1(png, info, &size, &data) != 0 && data != nullptr) {
    return exif_orientation({reinterpret_cast<const std::byte*>(data), size});
  }
#endif
  return 1;
}

void check_bytes(std::uint64_t width, std::uint64_t height, std::uint64_t bits_per_pixel, std::size_t file_bytes,
                 std::string_view name) {
  const std::uint64_t raw = ((width * bits_per_pixel + 7) / 8 + 1) * height;  // within 2^28 pixels of 64 bits
  if (raw / kDeflateRatio <= file_bytes) return;
  throw Error(name, fmt::format("declares {} x {} pixels, but {} bytes cannot hold them", width, height, file_bytes),
              "it is cut: copy it again");
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  PngReader reader(bytes, name);
  const png_structp png = reader.png();
  const png_infop info = reader.info();
  reader.guarded([&] { png_read_info(png, info); });

  const std::uint32_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  const unsigned depth = png_get_bit_depth(png, info), sample_bytes = depth == 16 ? 2 : 1;
  check_extent(width, height, 1, bytes.size(), name, limits);
  check_bytes(width, height, std::uint64_t{depth} * png_get_channels(png, info), bytes.size(), name);
  reader.guarded([&] {
    png_set_expand(png);  // palette to RGB, grey of 1, 2 and 4 bits to 8, tRNS to alpha
    if (depth == 16) png_set_swap(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
  });

  const std::size_t channels = png_get_channels(png, info), row_bytes = std::size_t{width} * channels * sample_bytes;
  if (png_get_rowbytes(png, info) != row_bytes) throw Error(name, "the PNG has an unknown layout of its rows");
  check_extent(width, height, channels * sample_bytes, bytes.size(), name, limits);
  Image image = blank_image(depth == 16 ? DType::u16 : DType::u8, height, width, channels);
  std::vector<png_bytep> rows(height);
  for (std::size_t row = 0; row < height; ++row) {
    rows[row] = reinterpret_cast<png_bytep>(image.pixels.mutable_data()) + row * row_bytes;
  }
  png_bytepp const row_pointers = rows.data();
  reader.guarded([&] {
    png_read_image(png, row_pointers);
    png_read_end(png, reader.end());
  });
  image.orientation = orientation_of(png, info);
  if (image.orientation == 1) image.orientation = orientation_of(png, reader.end());
  return image;
}

}  // namespace mt::formats
