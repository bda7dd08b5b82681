// Any file of merges, plain or gzip, gives an Error, or a tokenizer whose ids are of its vocabulary. Its text is
// encoded with itself.
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/text/byte_pair.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string name = "/dev/shm/mt-fuzz-merges-" + std::to_string(getpid());
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::ofstream(name, std::ios::binary) << text;
  try {
    const mt::BytePair pairs(mt::read_merges(name));
    if (!mt::is_utf8(text)) return 0;
    for (const std::int32_t id : pairs.encode(text, std::nullopt, 77).ids) {
      if (id < 0 || static_cast<std::size_t>(id) >= pairs.vocabulary_size()) std::abort();
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
