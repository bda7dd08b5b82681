// Any text gives an Error or records whose fields are no longer than the text.
#include <cstdlib>

#include "base/error.h"
#include "decode/delimited.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mt::DelimitedOptions options;
  options.same_width = size % 2 == 0;
  options.max_record = 200;
  try {
    mt::DelimitedReader reader({reinterpret_cast<const char*>(data), size}, "fuzz", options);
    std::size_t total = 0;
    for (std::vector<std::string> fields; reader.next(fields);) {
      for (const std::string& field : fields) total += field.size();
    }
    if (total > size) std::abort();
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
