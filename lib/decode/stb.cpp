#include "decode/stb.h"

#include <cstring>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "decode/image_formats.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wpedantic"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_ONLY_TGA
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_FAILURE_USERMSG
#define STBI_MAX_DIMENSIONS 65535
#define STBI_ASSERT(condition) ((void)0)  // a file must not be able to abort the program
#include <stb_image.h>
#pragma GCC diagnostic pop

namespace mt::formats {

Image decode_with_stb(std::span<const std::byte> bytes, std::string_view name, const ImageLimits& limits) {
  if (bytes.size() > std::numeric_limits<int>::max()) throw Error(name, "is larger than 2 GiB", "scale it down first");
  const auto* data = reinterpret_cast<const stbi_uc*>(bytes.data());
  const int size = static_cast<int>(bytes.size());
  const auto damaged = [&] {
    return Error(name, fmt::format("is damaged: {}", stbi_failure_reason()), "save it again as PNG");
  };
  int width = 0, height = 0, channels = 0;
  if (stbi_info_from_memory(data, size, &width, &height, &channels) == 0) throw damaged();
  check_extent(static_cast<std::uint64_t>(width),
               static_cast<std::uint64_t>(height < 0 ? -std::int64_t{height} : height),
               static_cast<std::uint64_t>(channels), bytes.size(), name, limits);
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(data, size, &width, &height, &channels, 0), stbi_image_free);
  if (!pixels) throw damaged();
  Image image = blank_image(DType::u8, static_cast<std::size_t>(height), static_cast<std::size_t>(width),
                            static_cast<std::size_t>(channels));
  std::memcpy(image.pixels.mutable_data(), pixels.get(), image.pixels.size());
  return image;
}

}  // namespace mt::formats
