#include "tokenize/text/byte_pair.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <zlib.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/text/unicode.h"

namespace mt {

namespace {

constexpr std::size_t kClipMerges = 49152 - 256 - 2;
constexpr std::size_t kFileLimit = 64 << 20;
constexpr std::string_view kStart = "<|startoftext|>", kEnd = "<|endoftext|>", kWordEnd = "</w>";
constexpr std::string_view kBlanks = " \t\r\n";

struct CloseGzip {
  void operator()(gzFile_s* file) const { gzclose(file); }
};

// A file, unpacked when it is gzip.
std::string read_maybe_gzip(const std::filesystem::path& path) {
  const std::unique_ptr<gzFile_s, CloseGzip> file(gzopen(path.c_str(), "rb"));
  if (!file) throw system_error(path.string(), "open", errno, "check the name");
  std::string text;
  std::vector<char> block(1 << 16);
  for (;;) {
    const int count = gzread(file.get(), block.data(), static_cast<unsigned>(block.size()));
    if (count < 0) throw Error(path.string(), "could not be read or unpacked", "fetch it again");
    if (count == 0) break;
    text.append(block.data(), static_cast<std::size_t>(count));
    if (text.size() > kFileLimit) throw Error(path.string(), fmt::format("is larger than {}", human_bytes(kFileLimit)));
  }
  int status = Z_OK;
  gzerror(file.get(), &status);
  if (status != Z_OK) throw Error(path.string(), "ends within its gzip stream", "fetch it again");
  return text;
}

// The letter that stands for each byte in merges: printable Latin-1 for itself, the others from U+0100 on. order: bytes
// by id.
struct ByteLetters {
  std::array<char32_t, 256> letter{};
  std::vector<unsigned> order;
};

const ByteLetters& byte_letters() {
  static const auto made = [] {
    ByteLetters bytes;
    for (unsigned b = 0; b < 256; ++b) {
      if ((b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD)) bytes.order.push_back(bytes.letter[b] = b);
    }
    for (unsigned b = 0, other = 0x100; b < 256; ++b) {
      if (bytes.letter[b] == 0) bytes.letter[b] = other++, bytes.order.push_back(b);
    }
    return bytes;
  }();
  return made;
}

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

// How many characters of text, from begin on, make the next word (white space excluded).
std::size_t word_length(std::u32string_view text) {
  for (const std::u32string_view contraction : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"}) {
    if (text.starts_with(contraction)) return contraction.size();
  }
  constexpr unsigned kNamed = unicode::kPatternSpace | unicode::kLetter | unicode::kNumber;
  if (unicode::is(text[0], unicode::kNumber)) return 1;
  const unsigned kind = unicode::flags(text[0]) & kNamed;
  std::size_t length = 1;
  while (length < text.size() && (unicode::flags(text[length]) & kNamed) == kind) ++length;
  return length;
}

// The first mark written out at or behind position.
std::pair<std::size_t, std::string_view> next_special(std::string_view text, std::size_t position) {
  for (std::size_t at = text.find("<|", position); at != std::string_view::npos; at = text.find("<|", at + 1)) {
    for (const std::string_view special : {kStart, kEnd}) {
      if (text.substr(at).starts_with(special)) return {at, special};
    }
  }
  return {std::string_view::npos, {}};
}

}  // namespace

std::vector<std::string> read_merges(const std::filesystem::path& path) {
  const std::string text = read_maybe_gzip(path);
  if (!is_utf8(text)) throw Error(path.string(), "is not UTF-8", "give a file of byte pair merges");
  std::vector<std::string> merges;
  for (std::size_t begin = 0; begin < text.size() && merges.size() < kClipMerges;) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(begin, end - begin));
    const bool header = begin == 0 && line.find("#version") != std::string_view::npos;
    if (!header && !line.empty()) merges.emplace_back(line);
    begin = end + 1;
  }
  return merges;
}

BytePair::BytePair(std::vector<std::string> merges) : lines_(std::move(merges)), byte_ids_(256) {
  const ByteLetters& bytes = byte_letters();
  for (std::size_t i = 0; i < 256; ++i) byte_ids_[bytes.order[i]] = static_cast<std::int32_t>(i);
  for (const std::string_view mark : {std::string_view(), kWordEnd}) {
    for (const unsigned b : bytes.order) {
      symbols_.emplace_back();
      unicode::append(symbols_.back(), bytes.letter[b]);
      symbols_.back() += mark;
    }
  }
  std::vector<std::pair<std::string_view, std::string_view>> parts;
  for (const std::string& line : lines_) {
    const auto blank = line.find(' ');
    if (blank == 0 || blank == std::string::npos || line.find(' ', blank + 1) != std::string::npos ||
        blank + 1 == line.size()) {
      throw Error(fmt::format("merge {}", parts.size() + 1), fmt::format("\"{}\" is not two symbols", printable(line)),
                  "give a file of byte pair merges");
    }
    parts.emplace_back(std::string_view(line).substr(0, blank), std::string_view(line).substr(blank + 1));
    symbols_.push_back(std::string(parts.back().first) + std::string(parts.back().second));
  }
  symbols_.emplace_back(kStart);
  symbols_.emplace_back(kEnd);

  std::unordered_map<std::string_view, std::int32_t> ids;  // of a symbol made twice, the later id counts
  for (std::size_t id = 0; id < symbols_.size(); ++id) {
    ids.insert_or_assign(symbols_[id], static_cast<std::int32_t>(id));
  }
  for (std::size_t rank = 0; rank < parts.size(); ++rank) {
    const auto left = ids.find(parts[rank].first), right = ids.find(parts[rank].second);
    if (left == ids.end() || right == ids.end()) {
      throw Error(fmt::format("merge {}", rank + 1),
                  fmt::format("\"{}\" joins a symbol that no other merge makes", printable(lines_[rank])),
                  "give the whole file of merges");
    }
    merges_.insert_or_assign(pair_of(left->second, right->second), Merge{rank, ids.at(symbols_[512 + rank])});
  }
}

const BytePair::Merge* BytePair::merge_of(std::int32_t left, std::int32_t right) const {
  const auto found = merges_.find(pair_of(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

void BytePair::append_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  // Symbols in a list that shrinks as they merge: the left one takes over, the right one is marked dead.
  struct Symbol {
    std::int32_t id;
    std::size_t previous, next;
  };
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  constexpr std::int32_t kDead = -1;
  std::vector<Symbol> symbols(word.size());
  for (std::size_t i = 0; i < word.size(); ++i) {
    symbols[i] = {byte_ids_[static_cast<unsigned char>(word[i])], i == 0 ? kNone : i - 1, i + 1};
  }
  symbols.back().id += 256;
  symbols.back().next = kNone;

  using Candidate = std::tuple<std::size_t, std::size_t, std::int32_t, std::int32_t>;  // rank, place, what it joined
  std::vector<Candidate> heap;  // the earliest merge first, of equal ones the leftmost
  const auto offer = [&](std::size_t i) {
    if (i == kNone || symbols[i].next == kNone) return;
    const std::int32_t left = symbols[i].id, right = symbols[symbols[i].next].id;
    if (const Merge* merge = merge_of(left, right)) {
      heap.emplace_back(merge->rank, i, left, right);
      std::push_heap(heap.begin(), heap.end(), std::greater<>());
    }
  };
  for (std::size_t i = 0; i < symbols.size(); ++i) offer(i);
  while (!heap.empty()) {
    const auto [rank, i, left, right] = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    Symbol& symbol = symbols[i];
    if (symbol.id != left || symbol.next == kNone || symbols[symbol.next].id != right) continue;  // merged meanwhile
    Symbol& gone = symbols[symbol.next];
    symbol.id = merge_of(left, right)->result;
    symbol.next = gone.next;
    gone.id = kDead;
    if (symbol.next != kNone) symbols[symbol.next].previous = i;
    offer(symbol.previous);
    offer(i);
  }
  for (std::size_t i = 0; i != kNone; i = symbols[i].next) ids.push_back(symbols[i].id);
}

void BytePair::append_plain(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const {
  // Neither composition nor a word reaches over an ASCII blank, so a line of any length is worked on in stretches.
  for (std::size_t begin = 0; begin < text.size() && ids.size() < limit;) {
    const std::string_view stretch = text.substr(begin, text.find_first_of(kBlanks, begin) - begin);
    begin += stretch.size() + 1;
    const std::u32string characters = unicode::lower(unicode::composed(unicode::decoded(stretch)));
    for (std::u32string_view rest = characters; !rest.empty() && ids.size() < limit;) {
      const std::size_t length = word_length(rest);
      if (!unicode::is(rest[0], unicode::kPatternSpace)) append_word(unicode::encoded(rest.substr(0, length)), ids);
      rest.remove_prefix(length);
    }
  }
}

TokenSequence BytePair::encode(std::string_view text, std::optional<std::string_view> second,
                               std::size_t max_tokens) const {
  if (second) throw Error("byte pairs", "take one text, not a pair", "leave the second column out, or give --vocab");
  if (max_tokens < 2) {
    throw Error("max tokens", fmt::format("is {}, the marks alone need 2", max_tokens), "give more");
  }
  TokenSequence sequence;
  std::vector<std::int32_t>& ids = sequence.ids;
  ids.push_back(start_token());
  for (std::size_t begin = 0; begin < text.size() && ids.size() < max_tokens;) {
    const auto [at, special] = next_special(text, begin);
    append_plain(text.substr(begin, at - begin), max_tokens, ids);
    if (at == std::string_view::npos) break;
    ids.push_back(special == kStart ? start_token() : end_token());
    begin = at + special.size();
  }
  sequence.truncated = ids.size() > max_tokens - 1;
  if (sequence.truncated) ids.resize(max_tokens - 1);
  ids.push_back(end_token());
  sequence.segments.resize(ids.size(), 0);
  return sequence;
}

void BytePair::store(Part& part) const {
  part.config["tokenizer"] = {{"kind", "byte_pair"}};
  part.tensors["merges"] = lines_tensor(lines_);
}

}  // namespace mt
