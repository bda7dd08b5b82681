#include "tokenize/text/wordpiece_trainer.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "tokenize/text/unicode.h"
#include "tokenize/text/wordpiece.h"

namespace mt {

namespace {

constexpr std::size_t kLongestWord = 100;
constexpr std::string_view kContinuing = "##";

struct Word {
  std::vector<std::uint32_t> pieces;
  std::int64_t count;
};

// The pieces known so far, by number and by name.
class Pieces {
 public:
  std::uint32_t number(const std::string& piece) {
    const auto [found, added] = numbers_.emplace(piece, static_cast<std::uint32_t>(names_.size()));
    if (added) names_.push_back(piece);
    return found->second;
  }
  std::uint32_t joined(std::uint32_t left, std::uint32_t right) {
    std::string_view tail = names_[right];
    if (tail.starts_with(kContinuing)) tail.remove_prefix(kContinuing.size());
    return number(names_[left] + std::string(tail));
  }
  std::size_t size() const { return names_.size(); }
  std::vector<std::string> names() && { return std::move(names_); }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::uint32_t> numbers_;
};

using Pair = std::pair<std::uint32_t, std::uint32_t>;

// A pair that may be joined, and the words that hold it. The greatest is the most frequent, of equal ones the earliest.
struct Candidate {
  std::int64_t count;
  Pair pair;
  std::vector<std::uint32_t> words;
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : other.pair < pair;
  }
};

// Joins pairs in words and keeps the counts of all neighbouring pairs.
class PairCounts {
 public:
  explicit PairCounts(std::vector<Word> words) : words_(std::move(words)) {
    for (std::uint32_t w = 0; w < words_.size(); ++w) {
      const auto& pieces = words_[w].pieces;
      for (std::size_t i = 1; i < pieces.size(); ++i) change({pieces[i - 1], pieces[i]}, words_[w].count, w);
    }
    offer_changed();
  }

  // The most frequent pair with its words; a count of 0 when there is none left.
  Candidate pop() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      Candidate top = std::move(heap_.back());
      heap_.pop_back();
      const std::int64_t current = counts_.at(top.pair);
      if (current == top.count) return top;
      top.count = current;  // became rarer since it was offered
      push(std::move(top));
    }
    return {};
  }

  void join(const Candidate& top, std::uint32_t result) {
    for (const std::uint32_t w : top.words) join_in(w, top.pair, result);
    offer_changed();
  }

 private:
  void join_in(std::uint32_t w, Pair pair, std::uint32_t result) {
    auto& pieces = words_[w].pieces;
    const std::int64_t count = words_[w].count;
    std::size_t size = 0;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i + 1 == pieces.size() || pieces[i] != pair.first || pieces[i + 1] != pair.second) {
        pieces[size++] = pieces[i];
        continue;
      }
      if (size > 0) {
        change({pieces[size - 1], pair.first}, -count, w);
        change({pieces[size - 1], result}, count, w);
      }
      if (i + 2 < pieces.size()) {
        change({pair.second, pieces[i + 2]}, -count, w);
        change({result, pieces[i + 2]}, count, w);
      }
      pieces[size++] = result;
      ++i;
    }
    pieces.resize(size);
  }
  void change(Pair pair, std::int64_t by, std::uint32_t word) {
    counts_[pair] += by;
    if (by > 0) changed_[pair].insert(word);
  }
  void offer_changed() {
    for (auto& [pair, words] : changed_) {
      if (const std::int64_t count = counts_.at(pair); count > 0) push({count, pair, {words.begin(), words.end()}});
    }
    changed_.clear();
  }
  void push(Candidate candidate) {
    heap_.push_back(std::move(candidate));
    std::push_heap(heap_.begin(), heap_.end());
  }

  std::vector<Word> words_;
  std::map<Pair, std::int64_t> counts_;
  std::map<Pair, std::set<std::uint32_t>> changed_;
  std::vector<Candidate> heap_;
};

// The characters worth a token: the most frequent ones, of equal ones the smaller code point; by code point.
std::set<char32_t> alphabet_of(const std::map<std::string_view, std::uint64_t>& counts, std::size_t limit) {
  std::map<char32_t, std::uint64_t> characters;
  for (const auto& [word, count] : counts) {
    for (std::size_t i = 0; i < word.size();) characters[unicode::next(word, i)] += count;
  }
  std::vector<std::pair<char32_t, std::uint64_t>> ranked(characters.begin(), characters.end());
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  ranked.resize(std::min(ranked.size(), limit));
  std::set<char32_t> kept;
  for (const auto& [character, count] : ranked) kept.insert(character);
  return kept;
}

std::string piece_of(char32_t character, bool first) {
  std::string piece(first ? std::string_view() : kContinuing);
  unicode::append(piece, character);
  return piece;
}

}  // namespace

void WordPieceTrainer::add(std::string_view text) {
  for_each_word(text, options_.lower_case, [&](std::string_view word) {
    if (word.size() > kLongestWord && unicode::decoded(word).size() > kLongestWord) return true;
    const auto found = counts_.find(word);
    if (found == counts_.end())
      counts_.emplace(word, 1);
    else
      ++found->second;
    return true;
  });
}

std::vector<std::string> WordPieceTrainer::train() const {
  const std::map<std::string_view, std::uint64_t> counts(counts_.begin(), counts_.end());  // in one order everywhere
  if (counts.empty()) throw Error("vocabulary", "no text holds a single word", "give a corpus");
  const std::set<char32_t> alphabet = alphabet_of(counts, options_.alphabet);

  Pieces pieces;
  for (const char* special : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) pieces.number(special);
  for (const char32_t character : alphabet) pieces.number(piece_of(character, true));
  std::set<char32_t> behind;
  for (const auto& [word, count] : counts) {
    const std::u32string characters = unicode::decoded(word);
    for (std::size_t i = 1; i < characters.size(); ++i) {
      if (alphabet.contains(characters[i])) behind.insert(characters[i]);
    }
  }
  for (const char32_t character : behind) pieces.number(piece_of(character, false));
  if (pieces.size() > options_.vocabulary) {
    throw Error("vocabulary",
                fmt::format("{} tokens are too few for {} characters", options_.vocabulary, pieces.size()),
                "ask for more tokens, or a smaller alphabet");
  }

  std::vector<Word> words;
  for (const auto& [word, count] : counts) {
    words.push_back({{}, static_cast<std::int64_t>(count)});
    for (std::size_t i = 0; i < word.size();) {
      const bool first = i == 0;
      const char32_t character = unicode::next(word, i);
      if (alphabet.contains(character)) words.back().pieces.push_back(pieces.number(piece_of(character, first)));
    }
  }
  PairCounts pairs(std::move(words));
  while (pieces.size() < options_.vocabulary) {
    throw_if_interrupted();
    const Candidate top = pairs.pop();
    if (top.count < 1 || static_cast<std::uint64_t>(top.count) < options_.min_count) break;
    pairs.join(top, pieces.joined(top.pair.first, top.pair.second));
  }
  return std::move(pieces).names();
}

}  // namespace mt
