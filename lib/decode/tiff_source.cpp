#ifdef MT_HAVE_TIFF

#include "decode/tiff_source.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <mutex>

namespace mt::formats {

namespace {

TiffSource& source_of(thandle_t handle) { return *static_cast<TiffSource*>(handle); }

tmsize_t read_some(thandle_t handle, void* out, tmsize_t count) {
  TiffSource& source = source_of(handle);
  const std::uint64_t left = source.at < source.bytes.size() ? source.bytes.size() - source.at : 0;
  const std::uint64_t got = std::min(left, static_cast<std::uint64_t>(std::max<tmsize_t>(count, 0)));
  if (got > 0) std::memcpy(out, source.bytes.data() + source.at, got);
  source.at += got;
  return static_cast<tmsize_t>(got);
}
tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }
toff_t seek_to(thandle_t handle, toff_t offset, int from) {
  TiffSource& source = source_of(handle);
  if (from == SEEK_CUR) offset += source.at;
  if (from == SEEK_END) offset += source.bytes.size();
  source.at = offset;
  return offset;
}
int close_nothing(thandle_t) { return 0; }
toff_t size_of_source(thandle_t handle) { return source_of(handle).bytes.size(); }
int map_source(thandle_t handle, void** base, toff_t* size) {
  *base = const_cast<std::byte*>(source_of(handle).bytes.data());  // opened for reading: never written to
  *size = source_of(handle).bytes.size();
  return 1;
}
void unmap_nothing(thandle_t, void*, toff_t) {}

}  // namespace

#if TIFFLIB_VERSION >= 20221213  // 4.5 gives every handle message handlers of its own

TiffHandle open_tiff(TiffSource& source) {
  const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                             TIFFOpenOptionsFree);
  if (!options) throw std::bad_alloc();
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), std::numeric_limits<std::int32_t>::max());
  TIFFOpenOptionsSetErrorHandlerExtR(
      options.get(),
      [](TIFF*, void* user, const char*, const char* format, va_list arguments) {
        static_cast<TiffSource*>(user)->say(false, format, arguments);
        return 1;
      },
      &source);
  TIFFOpenOptionsSetWarningHandlerExtR(
      options.get(),
      [](TIFF*, void* user, const char*, const char* format, va_list arguments) {
        static_cast<TiffSource*>(user)->say(true, format, arguments);
        return 1;
      },
      &source);
  return TiffHandle(TIFFClientOpenExt("TIFF", "r", &source, read_some, write_nothing, seek_to, close_nothing,
                                      size_of_source, map_source, unmap_nothing, options.get()));
}

#else  // handlers are global: ours serve whoever decodes on this thread

static thread_local TiffSource* current = nullptr;

TiffHandle open_tiff(TiffSource& source) {
  static std::once_flag once;
  std::call_once(once, [] {
    TIFFSetErrorHandler(nullptr);
    TIFFSetWarningHandler(nullptr);
    TIFFSetErrorHandlerExt([](thandle_t, const char*, const char* format, va_list arguments) {
      if (current != nullptr) current->say(false, format, arguments);
    });
    TIFFSetWarningHandlerExt([](thandle_t, const char*, const char* format, va_list arguments) {
      if (current != nullptr) current->say(true, format, arguments);
    });
  });
  current = &source;
  return TiffHandle(TIFFClientOpen("TIFF", "r", &source, read_some, write_nothing, seek_to, close_nothing,
                                   size_of_source, map_source, unmap_nothing));
}

#endif

void TiffSource::say(bool warning, const char* format, va_list arguments) {
  if ((warning && !reading_pixels) || !message.empty()) return;
  char text[256];
  if (std::vsnprintf(text, sizeof text, format, arguments) > 0) message = text;
}

}  // namespace mt::formats

#endif
