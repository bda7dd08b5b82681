// JPEG through libjpeg-turbo.
#include <csetjmp>
#include <cstdio>
#include <vector>

#include <fmt/format.h>
// jpeglib.h needs stdio.h before it and brings no extern "C" of its own in old releases.
extern "C" {
#include <jpeglib.h>

#include <jerror.h>
}

#include "base/error.h"
#include "decode/image_formats.h"

namespace mt::formats {

namespace {

// Each scan costs a pass over all coefficients, however few bytes it has: real files have about ten.
constexpr int kMaxScans = 100;

constexpr std::uint64_t kMaxMemory = std::uint64_t{1} << 32;  // of libjpeg itself: coefficients of progressive files

// Warnings after which pixels are wrong. libjpeg would fill up with grey and go on.
bool is_damage(int code) {
  switch (code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_TOO_MUCH_DATA:
      return true;
    default:
      return false;  // stray bytes between segments, unknown revisions of JFIF or Adobe markers
  }
}

// libjpeg reports by calling back and must not be returned to: the callbacks jump to guarded(), in whose reach no
// object has a destructor.
class Decompressor {
 public:
  Decompressor(std::span<const std::byte> bytes, std::string_view name) : bytes_(bytes), name_(name) {
    info_.err = jpeg_std_error(&errors_);
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    info_.client_data = this;
    guarded([this] {
      jpeg_create_decompress(&info_);
      info_.mem->max_memory_to_use = static_cast<long>(kMaxMemory);
      info_.src = &source_;
      progress_.progress_monitor = on_progress;
      info_.progress = &progress_;
      jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xFFFF);
    });
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = on_end;
    source_.skip_input_data = on_skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
  }
  ~Decompressor() { jpeg_destroy_decompress(&info_); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  jpeg_decompress_struct& info() { return info_; }

  // Runs calls, which must create no object with a destructor.
  template <class Calls>
  void guarded(const Calls& calls) {
    if (setjmp(escape_) == 0) {
      calls();
      return;
    }
    throw failure();
  }

 private:
  static Decompressor& self(j_common_ptr info) { return *static_cast<Decompressor*>(info->client_data); }
  [[noreturn]] static void escape(j_common_ptr info) { longjmp(self(info).escape_, 1); }

  [[noreturn]] static void on_error(j_common_ptr info) {
    info->err->format_message(info, self(info).message_);
    escape(info);
  }
  static void on_message(j_common_ptr info, int level) {
    if (level < 0 && is_damage(info->err->msg_code)) on_error(info);
  }
  static boolean on_end(j_decompress_ptr info) {
    self(reinterpret_cast<j_common_ptr>(info)).cut_ = true;
    escape(reinterpret_cast<j_common_ptr>(info));
  }
  static void on_skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    if (static_cast<std::size_t>(count) > info->src->bytes_in_buffer) on_end(info);
    info->src->next_input_byte += count;
    info->src->bytes_in_buffer -= static_cast<std::size_t>(count);
  }
  static void on_progress(j_common_ptr info) {
    if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
    self(info).too_many_scans_ = true;
    escape(info);
  }

  Error failure() const {
    if (cut_) {
      return Error(name_, fmt::format("the JPEG ends after {} bytes, before its end mark", bytes_.size()),
                   "it is cut: copy it again");
    }
    if (too_many_scans_)
      return Error(name_, fmt::format("the JPEG has more than {} scans", kMaxScans), "save it again");
    if (errors_.msg_code == JERR_BAD_PRECISION) {
      return Error(name_, fmt::format("the JPEG has {} bits a sample, 8 are read", errors_.msg_parm.i[0]),
                   "save it with 8 bits, or as 16-bit PNG");
    }
    const std::size_t at = bytes_.size() - source_.bytes_in_buffer;
    return Error(name_, fmt::format("the JPEG is damaged at byte {} of {}: {}", at, bytes_.size(), message_),
                 "copy or save it again");
  }

  std::span<const std::byte> bytes_;
  std::string_view name_;
  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_;
  char message_[JMSG_LENGTH_MAX] = "";
  bool cut_ = false, too_many_scans_ = false;
};

int orientation_of(const jpeg_decompress_struct& info) {
  constexpr std::string_view kExif("Exif\0\0", 6);
  for (const jpeg_marker_struct* marker = info.marker_list; marker != nullptr; marker = marker->next) {
    const std::span data(reinterpret_cast<const std::byte*>(marker->data), marker->data_length);
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    if (marker->marker == JPEG_APP0 + 1 && text.starts_with(kExif)) return exif_orientation(data.subspan(kExif.size()));
  }
  return 1;
}

// Every Huffman-coded block takes at least one bit in its first scan, so a file bounds the blocks that it can hold.
void check_blocks(const jpeg_decompress_struct& info, std::size_t file_bytes, std::string_view name) {
  if (info.arith_code) return;
  std::uint64_t blocks = 0;
  for (int i = 0; i < info.num_components; ++i) {
    blocks += std::uint64_t{info.comp_info[i].width_in_blocks} * info.comp_info[i].height_in_blocks;
  }
  if (blocks / 8 <= file_bytes) return;
  throw Error(name,
              fmt::format("declares {} x {} pixels, but {} bytes cannot hold them", info.image_width, info.image_height,
                          file_bytes),
              "it is cut: copy it again");
}

unsigned reduction(const jpeg_decompress_struct& info, std::size_t reduce_to) {
  if (reduce_to == 0) return 1;
  for (const unsigned denominator : {8u, 4u, 2u}) {
    const auto reduced = [&](JDIMENSION side) { return (side + denominator - 1) / denominator; };
    if (reduced(info.image_width) >= reduce_to && reduced(info.image_height) >= reduce_to) return denominator;
  }
  return 1;
}

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  Decompressor decompressor(bytes, name);
  jpeg_decompress_struct& info = decompressor.info();
  decompressor.guarded([&] { jpeg_read_header(&info, TRUE); });
  check_extent(info.image_width, info.image_height, 4, bytes.size(), name, limits);
  check_blocks(info, bytes.size(), name);
  if (info.data_precision != 8) {  // releases from 3.0 on accept 12 and 16 bits here, under other function names
    throw Error(name, fmt::format("the JPEG has {} bits a sample, 8 are read", info.data_precision),
                "save it with 8 bits, or as 16-bit PNG");
  }
  const int components = info.num_components;
  if (components != 1 && components != 3 && components != 4) {
    throw Error(name, fmt::format("the JPEG has {} components, 1, 3 and 4 are read", components), "save it as RGB");
  }
  info.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  info.scale_num = 1;
  info.scale_denom = reduction(info, limits.reduce_to);
  decompressor.guarded([&] { jpeg_start_decompress(&info); });

  const std::size_t channels = components == 1 ? 1 : 3, width = info.output_width;
  Image image = blank_image(DType::u8, info.output_height, width, channels);
  image.orientation = orientation_of(info);
  std::uint8_t* row = image.pixels.as<std::uint8_t>().data();
  std::vector<std::uint8_t> inks(components == 4 ? width * 4 : 0);
  std::uint8_t* const ink_row = inks.data();
  decompressor.guarded([&] {
    for (; info.output_scanline < info.output_height; row += width * channels) {
      JSAMPROW target = components == 4 ? ink_row : row;
      jpeg_read_scanlines(&info, &target, 1);
      if (components != 4) continue;
      // As Pillow: Adobe's habit of storing CMYK inverted is taken for granted.
      for (std::size_t i = 0; i < width * 4; ++i) ink_row[i] = static_cast<std::uint8_t>(255 - ink_row[i]);
      for (std::size_t i = 0; i < width; ++i) cmyk_to_rgb(ink_row + 4 * i, row + 3 * i);
    }
    jpeg_finish_decompress(&info);
  });
  return image;
}

}  // namespace mt::formats
