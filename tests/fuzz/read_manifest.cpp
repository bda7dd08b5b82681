// Any text gives an Error or a list whose segments make sense. The first byte chooses the form.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "decode/media_source.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // A manifest is a file whose name tells its form.
  const char* const extensions[] = {"csv", "tsv", "json", "jsonl"};
  static const std::string directory = [] {
    std::string name = "/dev/shm/mt-fuzz-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    return name;
  }();
  const std::string path = directory + "/list." + extensions[data[0] % 4];
  FILE* const file = std::fopen(path.c_str(), "wb");
  if (file == nullptr || std::fwrite(data + 1, 1, size - 1, file) != size - 1 || std::fclose(file) != 0) std::abort();
  mt::MediaSourceOptions options;
  options.manifests = {path};
  if (data[0] & 4) options.window = options.hop = 0.5;
  try {
    const mt::MediaSource source(options, [](const std::filesystem::path&) { return 10.0; });
    for (std::size_t i = 0; i < std::min<std::size_t>(source.size(), 100); ++i) {
      const mt::MediaSegment segment = source.segment(i);
      if (!(segment.start >= 0) || (segment.duration && !(*segment.duration > 0)) || source.id(i).empty()) std::abort();
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
