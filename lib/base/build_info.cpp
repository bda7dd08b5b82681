#include "base/build_info.h"

#include <fmt/format.h>
#include <hdf5.h>
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>

#include "base/threads.h"

namespace mt {

namespace {

std::string instruction_set() {
  switch (dnnl_get_effective_cpu_isa()) {
    case dnnl_cpu_isa_all: return "all";
    case dnnl_cpu_isa_sse41: return "SSE4.1";
    case dnnl_cpu_isa_avx: return "AVX";
    case dnnl_cpu_isa_avx2: return "AVX2";
    case dnnl_cpu_isa_avx512_core: return "AVX-512";
    case dnnl_cpu_isa_avx512_core_vnni: return "AVX-512 with VNNI";
    case dnnl_cpu_isa_avx512_core_bf16: return "AVX-512 with VNNI and bfloat16";
    default: return fmt::format("level {:#x}", static_cast<unsigned>(dnnl_get_effective_cpu_isa()));
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> build_info() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  const dnnl_version_t* dnnl = dnnl_version();
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
  return {{"compiler", __VERSION__},
          {"oneDNN", fmt::format("{}.{}.{}", dnnl->major, dnnl->minor, dnnl->patch)},
          {"HDF5", fmt::format("{}.{}.{}", major, minor, release)},
          {"formats", optional},
          {"cores", std::to_string(available_cores())},
          {"instructions", instruction_set()}};
}

}  // namespace mt
