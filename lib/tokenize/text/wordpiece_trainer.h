// Learning a word piece vocabulary from a corpus, as the WordPieceTrainer of the tokenizers package does it: start from
// single characters, join the most frequent pair of neighbouring pieces, again and again.
//
// The package breaks ties by the order of a hash table, which differs from run to run; here the pair whose pieces came
// into the vocabulary first wins, and characters come in by code point, so that equal counts give equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mt {

struct WordPieceTraining {
  std::size_t vocabulary = 30522;  // tokens at most, the five special ones included
  std::uint64_t min_count = 2;     // a pair seen less often is not joined
  std::size_t alphabet = 1000;     // characters at most, the most frequent ones
  bool lower_case = true;
};

class WordPieceTrainer {
 public:
  explicit WordPieceTrainer(WordPieceTraining options) : options_(options) {}

  // Counts the words of a text (valid UTF-8). Words of more than 100 characters are left out: no vocabulary would save
  // them from [UNK]. Memory grows with the number of different words.
  void add(std::string_view text);

  // [PAD] [UNK] [CLS] [SEP] [MASK], the characters, the characters behind others (##), the joined pieces. Throws Error
  // when no text was added, or the size has no room for the characters.
  std::vector<std::string> train() const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };

  WordPieceTraining options_;
  std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> counts_;
};

}  // namespace mt
