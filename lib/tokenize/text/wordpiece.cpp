#include "tokenize/text/wordpiece.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "tokenize/text/unicode.h"

namespace mt {

namespace {

using unicode::is;

constexpr std::uint64_t kVocabularyLimit = 256 << 20;
constexpr std::size_t kLongestWord = 100;  // characters; a longer word is [UNK]
constexpr std::string_view kContinuing = "##";
constexpr std::string_view kBlanks = " \t\r\n";

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Cleaned and, where wanted, without accents and case: BERT's normalisation of a stretch without ASCII blanks.
std::u32string normalised(std::string_view stretch, bool lower_case) {
  std::u32string text;
  text.reserve(stretch.size());
  for (std::size_t i = 0; i < stretch.size();) {
    const char32_t c = unicode::next(stretch, i);
    if (is(c, unicode::kControl)) continue;
    if (is(c, unicode::kSpace))
      text += U' ';
    else if (is(c, unicode::kChinese))
      (text += U' ', text += c, text += U' ');
    else
      text += c;
  }
  if (!lower_case) return text;
  text = unicode::decomposed(text);
  std::erase_if(text, [](char32_t c) { return is(c, unicode::kMark); });
  return unicode::lower(text);
}

// Collects characters into words and hands them out.
class WordSplitter {
 public:
  explicit WordSplitter(const std::function<bool(std::string_view)>& word) : word_(word) {}

  // False when no more words are wanted.
  bool add(char32_t c) {
    if (is(c, unicode::kSpace | unicode::kPatternSpace)) return end_word();
    if (is(c, unicode::kPunctuation) && !end_word()) return false;
    unicode::append(current_, c);
    return !is(c, unicode::kPunctuation) || end_word();
  }
  bool end_word() {
    const bool more = current_.empty() || word_(current_);
    current_.clear();
    return more;
  }

 private:
  const std::function<bool(std::string_view)>& word_;
  std::string current_;
};

// The first special token at or behind position: where it stands and which.
std::pair<std::size_t, std::string_view> next_special(std::string_view text, std::size_t position,
                                                      const std::vector<std::string>& specials) {
  for (std::size_t at = text.find('[', position); at != std::string_view::npos; at = text.find('[', at + 1)) {
    for (const std::string& special : specials) {
      if (text.substr(at).starts_with(special)) return {at, special};
    }
  }
  return {std::string_view::npos, {}};
}

// How many ids of each text stay when both together may have room ids: the rule of the tokenizers package. The shorter
// text stays whole while it needs less than half; of two halves the longer text (the second, if equal) gets the odd id.
std::pair<std::size_t, std::size_t> longest_first(std::size_t first, std::size_t second, std::size_t room) {
  if (first + second <= room) return {first, second};
  const std::size_t shorter = std::min(std::min(first, second), room / 2), longer = room - shorter;
  return first > second ? std::pair{longer, shorter} : std::pair{shorter, longer};
}

}  // namespace

std::vector<std::string> read_vocabulary(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kVocabularyLimit);
  if (!is_utf8(text)) throw Error(path.string(), "is not UTF-8", "give a vocabulary with one token a line");
  std::vector<std::string> vocabulary;
  for (std::string_view line : split(text, '\n'))
    vocabulary.emplace_back(line.substr(0, line.find_last_not_of(kBlanks) + 1));
  if (text.empty() || text.back() == '\n') vocabulary.pop_back();
  return vocabulary;
}

void for_each_word(std::string_view text, bool lower_case, const std::function<bool(std::string_view)>& word) {
  WordSplitter splitter(word);
  // No accent reaches over an ASCII blank, so a line of any length is worked on stretch by stretch.
  for (std::size_t begin = 0; begin < text.size();) {
    const std::string_view stretch = text.substr(begin, text.find_first_of(kBlanks, begin) - begin);
    begin += stretch.size() + 1;
    if (is_ascii(stretch)) {
      for (const char c : stretch) {
        const auto plain = static_cast<char32_t>(c);
        if (is(plain, unicode::kControl)) continue;
        if (!splitter.add(lower_case && plain >= U'A' && plain <= U'Z' ? plain + 32 : plain)) return;
      }
    } else {
      for (const char32_t c : normalised(stretch, lower_case)) {
        if (!splitter.add(c)) return;
      }
    }
    if (!splitter.end_word()) return;
  }
}

WordPiece::WordPiece(std::vector<std::string> vocabulary, bool lower_case)
    : vocabulary_(std::move(vocabulary)), lower_case_(lower_case) {
  for (std::size_t id = 0; id < vocabulary_.size(); ++id) {
    const std::string& token = vocabulary_[id];
    whole_.insert_or_assign(token, static_cast<std::int32_t>(id));
    if (token.starts_with(kContinuing)) {
      continuing_.insert_or_assign(token.substr(kContinuing.size()), static_cast<std::int32_t>(id));
    }
    longest_ = std::max(longest_, token.size());
  }
  unknown_ = required("[UNK]");
  classification_ = required("[CLS]");
  separator_ = required("[SEP]");
  for (const char* special : {"[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"}) {
    if (whole_.contains(special)) specials_.emplace_back(special);
  }
}

std::int32_t WordPiece::required(std::string_view token) const {
  const auto found = whole_.find(token);
  if (found == whole_.end()) {
    throw Error("vocabulary", fmt::format("has {} tokens, but none is {}", vocabulary_.size(), token),
                "give a BERT vocabulary with [UNK], [CLS] and [SEP]");
  }
  return found->second;
}

void WordPiece::append_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  const auto is_tail = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  const std::size_t before = ids.size();
  const auto characters = word.size() <= kLongestWord
                              ? word.size()
                              : static_cast<std::size_t>(std::count_if(word.begin(), word.end(), std::not_fn(is_tail)));
  if (characters > kLongestWord) return ids.push_back(unknown_);
  for (std::size_t start = 0; start < word.size();) {
    const Pieces& pieces = start == 0 ? whole_ : continuing_;
    std::size_t length = std::min(word.size() - start, longest_);
    auto found = pieces.end();
    for (; length > 0 && found == pieces.end(); --length) {
      if (start + length < word.size() && is_tail(word[start + length])) continue;
      found = pieces.find(word.substr(start, length));
      if (found != pieces.end()) break;
    }
    if (found == pieces.end()) {
      ids.resize(before);
      return ids.push_back(unknown_);
    }
    ids.push_back(found->second);
    start += length;
  }
}

void WordPiece::append_plain(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const {
  for_each_word(text, lower_case_, [&](std::string_view word) {
    append_word(word, ids);
    return ids.size() < limit;
  });
}

std::vector<std::int32_t> WordPiece::pieces(std::string_view text, std::size_t limit) const {
  std::vector<std::int32_t> ids;
  for (std::size_t begin = 0; begin < text.size() && ids.size() < limit;) {
    const auto [at, special] = next_special(text, begin, specials_);
    append_plain(text.substr(begin, at - begin), limit, ids);
    if (at == std::string_view::npos) break;
    ids.push_back(whole_.find(special)->second);
    begin = at + special.size();
  }
  return ids;
}

TokenSequence WordPiece::encode(std::string_view text, std::optional<std::string_view> second,
                                std::size_t max_tokens) const {
  const std::size_t marks = second ? 3 : 2;
  if (max_tokens < marks) {
    throw Error("max tokens", fmt::format("is {}, the marks alone need {}", max_tokens, marks), "give more");
  }
  const std::size_t room = max_tokens - marks;
  // One id more than fits is enough to know that a single text is too long; of a pair the longer one must be known.
  const std::size_t limit = second ? std::numeric_limits<std::size_t>::max() : room + 1;
  const std::vector<std::int32_t> first_ids = pieces(text, limit);
  const std::vector<std::int32_t> second_ids = second ? pieces(*second, limit) : std::vector<std::int32_t>{};
  const auto [keep_first, keep_second] = second ? longest_first(first_ids.size(), second_ids.size(), room)
                                                : std::pair{std::min(first_ids.size(), room), std::size_t{0}};
  TokenSequence sequence;
  sequence.truncated = first_ids.size() > keep_first || second_ids.size() > keep_second;
  const auto keep = [&](const std::vector<std::int32_t>& ids, std::size_t count, std::int32_t segment) {
    sequence.ids.insert(sequence.ids.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count));
    sequence.ids.push_back(separator_);
    sequence.segments.resize(sequence.ids.size(), segment);
  };
  sequence.ids.push_back(classification_);
  keep(first_ids, keep_first, 0);
  if (second) keep(second_ids, keep_second, 1);
  return sequence;
}

void WordPiece::store(Part& part) const {
  part.config["tokenizer"] = {{"kind", "wordpiece"}, {"lower_case", lower_case_}};
  part.tensors["vocabulary"] = lines_tensor(vocabulary_);
}

}  // namespace mt
