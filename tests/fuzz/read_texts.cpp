// Any text in any format gives an Error, or rows that are refused or valid UTF-8, and these give ids of the vocabulary,
// as many as asked for at most, by word pieces and by byte pairs.
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/text_lines.h"
#include "tokenize/text/byte_pair.h"
#include "tokenize/text/wordpiece.h"

namespace {

const std::string& fuzz_file() {
  static const std::string name = "/dev/shm/mt-fuzz-texts-" + std::to_string(getpid()) + ".txt";
  return name;
}

void require_ids(const mt::TextTokenizer& tokenizer, const mt::TokenSequence& sequence, std::size_t limit) {
  if (sequence.ids.size() > limit || sequence.segments.size() != sequence.ids.size()) std::abort();
  for (const std::int32_t id : sequence.ids) {
    if (id < 0 || static_cast<std::size_t>(id) >= tokenizer.vocabulary_size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const mt::WordPiece pieces(
      {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "1", ",", "the", "\u00e9", "##\u0301"},
      true);
  static const mt::WordPiece cased({"[UNK]", "[CLS]", "[SEP]", "A", "a", "##A", "the"}, false);
  static const mt::BytePair pairs({"t h", "th e</w>", "a b"});
  if (size < 1) return 0;
  std::ofstream(fuzz_file(), std::ios::binary)
      .write(reinterpret_cast<const char*>(data + 1), static_cast<std::streamsize>(size - 1));
  mt::TextSourceOptions options;
  options.inputs = {fuzz_file()};
  options.format = static_cast<mt::TextFormat>(1 + data[0] % 4);
  const bool columns = options.format != mt::TextFormat::lines && (data[0] & 4) != 0;
  if (columns) options.column = options.format == mt::TextFormat::json ? "text" : "1";
  if (columns) options.label_column = options.format == mt::TextFormat::json ? "label" : "2";
  options.max_bytes = (data[0] & 8) != 0 ? 100 : 4096;
  const std::size_t limit = 3 + (data[0] >> 4);
  try {
    const auto source = mt::TextSource::open(options);
    for (std::size_t i = 0; i < source->size(); ++i) {
      try {
        const auto loaded = source->load(i);
        if (!mt::is_utf8(loaded.text)) std::abort();
        require_ids(pieces, pieces.encode(loaded.text, loaded.text, limit), limit);
        require_ids(cased, cased.encode(loaded.text, std::nullopt, limit), limit);
        require_ids(pairs, pairs.encode(loaded.text, std::nullopt, limit), limit);
      } catch (const mt::Error&) {  // rejected
      }
    }
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
