#include "base/build_info.h"

#include <fmt/format.h>
#include <hdf5.h>

#include "base/threads.h"

namespace mt {

namespace {

std::string instruction_set() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  std::string text = "x86-64";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) text = "AVX2";
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")) text = "AVX-512";
  if (__builtin_cpu_supports("avx512vnni")) text += " VNNI";
  if (__builtin_cpu_supports("avx512bf16")) text += " bfloat16";
  return text;
#elif defined(__aarch64__)
  return "arm64";
#else
  return "generic";
#endif
}

}  // namespace

std::vector<std::pair<std::string, std::string>> build_info() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  std::string optional;
#ifdef MT_HAVE_TIFF
  optional += "TIFF ";
#endif
#ifdef MT_HAVE_WEBP
  optional += "WebP ";
#endif
#ifdef MT_HAVE_GIF
  optional += "GIF ";
#endif
#ifdef MT_HAVE_DCMTK
  optional += "DICOM ";
#endif
  if (optional.empty()) optional = "none";
#ifdef MT_CUDA_VERSION
  const char* cuda = MT_CUDA_VERSION;
#else
  const char* cuda = "none";
#endif
  return {{"compiler", __VERSION__},
          {"HDF5", fmt::format("{}.{}.{}", major, minor, release)},
          {"formats", optional},
          {"CUDA", cuda},
          {"cores", std::to_string(available_cores())},
          {"instructions", instruction_set()}};
}

}  // namespace mt
