#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/random.h"
#include "decode/goldens.h"
#include "decode/image.h"

using namespace mt;
using test::golden_images;
using test::GoldenImage;

namespace {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

std::string big_endian(std::uint32_t value) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 0xFF);
  return out;
}

std::string little_endian(std::uint64_t value, int size) {
  std::string out;
  for (int i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

std::string png_chunk(const std::string& kind, const std::string& data) {
  const std::vector<std::byte> body = bytes_of(kind + data);
  return big_endian(static_cast<std::uint32_t>(data.size())) + kind + data + big_endian(crc32_of(body));
}

std::string png(std::uint32_t width, std::uint32_t height) {
  return "\x89PNG\r\n\x1a\n" +
         png_chunk("IHDR", big_endian(width) + big_endian(height) + std::string("\x08\x06\0\0\0", 5)) +
         png_chunk("IDAT", std::string("\x78\x9c\xed\xc1\x31\x01\0\0\0\xc2\xa0\x4a\xeb\x9f\xce\x18\x3e", 17)) +
         png_chunk("IEND", "");
}

std::string tiff(std::uint32_t width, std::uint32_t height) {
  const auto entry = [](int tag, int type, std::uint32_t value) {
    return little_endian(static_cast<std::uint64_t>(tag), 2) + little_endian(static_cast<std::uint64_t>(type), 2) +
           little_endian(1, 4) + little_endian(value, 4);
  };
  return std::string("II*\0\x08\0\0\0", 8) + little_endian(9, 2) + entry(256, 4, width) + entry(257, 4, height) +
         entry(258, 3, 8) + entry(259, 3, 5) + entry(262, 3, 1) + entry(273, 4, 130) + entry(277, 3, 1) +
         entry(278, 4, height) + entry(279, 4, 40) + little_endian(0, 4) + std::string(60, '\x80');
}

std::string bmp(std::uint32_t width, std::uint32_t height) {
  return "BM" + little_endian(100, 4) + little_endian(0, 4) + little_endian(54, 4) + little_endian(40, 4) +
         little_endian(width, 4) + little_endian(height, 4) + little_endian(1, 2) + little_endian(24, 2) +
         std::string(24, '\0') + std::string(46, '\0');
}

// One pixel of a golden picture replaced by a size of another kind: at is where the two little- or big-endian sides
// stand.
std::vector<std::byte> patched(const std::string& name, std::size_t at, const std::string& bytes) {
  std::vector<std::byte> file = read_file(test::kGoldenImages / name, 1 << 20);
  REQUIRE(at + bytes.size() <= file.size());
  std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(),
              file.begin() + static_cast<std::ptrdiff_t>(at));
  return file;
}

std::size_t find(const std::string& name, const std::string& pattern) {
  const std::string text = read_text_file(test::kGoldenImages / name, 1 << 20);
  const std::size_t at = text.find(pattern);
  REQUIRE(at != std::string::npos);
  return at;
}

long peak_kilobytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

TEST_CASE("image: cut at any byte it is refused, or gives the same picture since the cut lies behind the pixels") {
  std::map<std::string, std::size_t> accepted;  // by extension
  for (const GoldenImage& golden : golden_images()) {
    CAPTURE(golden.name);
    const std::vector<std::byte> whole = golden.bytes();
    const Image expected = decode_image(whole, golden.name);
    std::size_t wrong = 0;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // a copy of its own, so that the sanitizer sees reads behind the cut
      const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      try {
        const Image image = decode_image(cut, golden.name);
        const bool same = image.pixels.shape() == expected.pixels.shape() &&
                          std::ranges::equal(image.pixels.bytes(), expected.pixels.bytes());
        if (!same) ++wrong;
        ++accepted[golden.extension()];
      } catch (const Error&) {  // refused
      }
    }
    // Plain PNM has no end: a last number that lost digits is still a number.
    const bool plain = golden.name == "plain.pgm" || golden.name == "plain.ppm";
    CHECK(wrong <= (plain ? 2 : 0));
  }
  // Formats without an end mark, or whose first picture ends before the file does. JPEG, PNG, BMP and WebP are not
  // among them.
  const std::set<std::string> open_ended = {"gif", "tif", "tga", "pbm", "pgm", "ppm", "dcm"};
  for (const auto& [extension, count] : accepted) {
    CAPTURE(extension);
    MESSAGE(fmt::format("{} cuts of .{} behind the pixels were accepted", count, extension));
    CHECK(open_ended.contains(extension));
  }
}

TEST_CASE("image: changed bytes are refused or give some picture of a sane size, never more") {
  for (const GoldenImage& golden : golden_images()) {
    CAPTURE(golden.name);
    const std::vector<std::byte> whole = golden.bytes();
    Random random(7, stream_of(golden.name));
    ImageLimits limits;
    limits.max_pixels = std::uint64_t{1} << 20;
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::vector<std::byte> mutant = whole;
      const std::uint32_t kind = random.next_u32() % 4;
      mutant[at] = kind == 0 ? std::byte{0} : kind == 1 ? std::byte{0xFF} : static_cast<std::byte>(random.next_u32());
      std::uint64_t pixels = 0;
      try {
        const Image image = decode_image(mutant, golden.name, limits);
        pixels = image.height() * image.width();
      } catch (const Error&) {  // refused
      }
      CHECK(pixels <= limits.max_pixels);
    }
  }
}

TEST_CASE("image: bombs are refused in no time, before memory is asked for") {
  const std::string huge = little_endian(65535, 2) + little_endian(65535, 2);
  const std::map<std::string, std::vector<std::byte>> bombs = {
      {"PNG of 65,535 x 65,535", bytes_of(png(65535, 65535))},
      {"PNG of 2^31 - 1 x 1", bytes_of(png(2147483647, 1))},
      {"PNG of 2^31 x 2^31", bytes_of(png(0x80000000u, 0x80000000u))},
      {"PNG of 16,000 x 16,000 in 90 bytes", bytes_of(png(16000, 16000))},
      {"PNG with 1.9 GB of EXIF", bytes_of(png(1, 1).insert(33, big_endian(0x72000000) + "eXIfMM"))},
      {"GIF of 65,535 x 65,535", patched("plain.gif", 6, huge)},
      {"GIF frame of 8,000 x 8,000", patched("plain.gif", find("plain.gif", std::string("\x2c\0\0\0\0", 5)) + 5,
                                             little_endian(8000, 2) + little_endian(8000, 2))},
      {"TIFF of 65,535 x 65,535", bytes_of(tiff(65535, 65535))},
      {"TIFF of 2^31 x 2^31", bytes_of(tiff(0x80000000u, 0x80000000u))},
      {"TIFF of 15,000 x 15,000 in 190 bytes", bytes_of(tiff(15000, 15000))},
      {"BMP of 2^31 - 1 x 2^31 - 1", bytes_of(bmp(2147483647, 2147483647))},
      {"BMP of height -2^31", bytes_of(bmp(1, 0x80000000u))},
      {"TGA of 65,535 x 65,535", patched("rgb.tga", 12, huge)},
      {"JPEG of 65,535 x 65,535",
       patched("grey.jpg", find("grey.jpg", "\xff\xc0") + 5, little_endian(0xFFFF, 2) + little_endian(0xFFFF, 2))},
      {"JPEG of 16,000 x 16,000 in 700 bytes",
       patched("grey.jpg", find("grey.jpg", "\xff\xc0") + 5, big_endian(16000u << 16 | 16000u))},
      {"PGM of 10^9 x 10^9", bytes_of("P5 1000000000 1000000000 255\nx")},
      {"PGM of 16,000 x 16,000 in 22 bytes", bytes_of("P5 16000 16000 255\nx")},
      {"PGM of 10^30", bytes_of("P5 1000000000000000000000000000000 1 255\nx")},
      {"WebP of 16,384 x 16,384", patched("lossless.webp", find("lossless.webp", "\x2f"), "\x2f\xff\xff\xff\x0f")},
      {"DICOM element of 2^32 - 2 bytes",
       patched("grey8.dcm", find("grey8.dcm", std::string("\xe0\x7f\x10\0OB", 6)) + 8, "\xfe\xff\xff\xff")},
      {"DICOM of 65,535 x 65,535",
       patched("grey8.dcm", find("grey8.dcm", std::string("\x28\0\x10\0US\2\0", 8)) + 8, "\xff\xff")},
  };
  for (const auto& [name, bytes] : bombs) {
    CAPTURE(name);
    const long before = peak_kilobytes();
    const auto start = std::chrono::steady_clock::now();
    std::string message = "accepted";
    try {
      decode_image(bytes, "bomb");
    } catch (const Error& error) {
      message = error.what();
    }
    INFO(message);
    CHECK(message != "accepted");
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
    CHECK(peak_kilobytes() - before < 50'000);  // nothing near the gigabytes that the headers declare
  }
}

TEST_CASE("image: a picture of one pixel and one of a single row are pictures") {
  CHECK(decode_image(bytes_of("P5 1 1 255\n\x07"), "x").pixels.as<std::uint8_t>()[0] == 7);
  CHECK(decode_image(bytes_of("P1 3 1\n010"), "x").pixels.shape() == Shape{1, 3, 1});
  CHECK_THROWS_WITH_AS(decode_image(bytes_of("P5 0 7 255\n"), "x"), doctest::Contains("0 x 7 pixels"), Error);
}
