// Any text gives an Error, or series whose values are no more than its bytes. The first byte chooses .ts, .arff or
// .tsv.
#include <cstdlib>

#include "base/error.h"
#include "decode/series/series_lines.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto format = static_cast<mt::SeriesFormat>(data[0] % 3);
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const mt::SeriesHeader header = mt::parse_series_header(text, format, "fuzz");
    if (header.data_offset > text.size()) std::abort();
    for (std::size_t at = header.data_offset; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      const std::string_view line = text.substr(at, end - at);
      mt::series_label(line, header);
      try {
        if (mt::parse_series_case(line, header, "fuzz").values.size() > line.size() + 1) std::abort();
      } catch (const mt::Error&) {  // this line is refused
      }
      at = end + 1;
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
