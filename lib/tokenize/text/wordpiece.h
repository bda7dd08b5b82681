// BERT's word pieces (Wu et al. 2016, as in google-research/bert), with the ids of the Hugging Face tokenizers package.
//
// A text is cleaned (controls dropped, white space made blanks), ideographs are set apart, the uncased variant
// decomposes, drops accents and lower-cases; words end at white space, punctuation stands alone; each word is cut into
// the longest pieces that the vocabulary has, from the left, pieces behind the first written with "##".
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenize/text/text_tokenizer.h"

namespace mt {

// One token a line, the id is the line's number from 0; white space at line ends is not part of the token.
std::vector<std::string> read_vocabulary(const std::filesystem::path& path);  // throws Error

// The words of a text after BERT's cleaning, given to word one after another until it returns false. The last view is
// invalid when word returns.
void for_each_word(std::string_view text, bool lower_case, const std::function<bool(std::string_view)>& word);

class WordPiece : public TextTokenizer {
 public:
  // vocabulary: must hold [UNK], [CLS] and [SEP]; of a token given twice the later id counts. Throws Error.
  WordPiece(std::vector<std::string> vocabulary, bool lower_case);

  // [CLS] text [SEP], or [CLS] text [SEP] second [SEP]. [CLS], [SEP], [MASK], [PAD] and [UNK] written in the text stand
  // for themselves. Too long a pair loses from its longer text until both are equally long (longest_first).
  TokenSequence encode(std::string_view text, std::optional<std::string_view> second,
                       std::size_t max_tokens) const override;

  std::size_t vocabulary_size() const override { return vocabulary_.size(); }
  std::string_view token(std::size_t id) const override { return vocabulary_.at(id); }
  std::int32_t end_token() const override { return separator_; }
  bool lower_case() const { return lower_case_; }
  void store(Part& part) const override;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  using Pieces = std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>>;

  // Up to limit ids of text, without marks.
  std::vector<std::int32_t> pieces(std::string_view text, std::size_t limit) const;
  void append_plain(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const;
  void append_word(std::string_view word, std::vector<std::int32_t>& ids) const;
  std::int32_t required(std::string_view token) const;

  std::vector<std::string> vocabulary_;
  bool lower_case_;
  Pieces whole_, continuing_;  // continuing_: without their "##"
  std::size_t longest_ = 0;    // bytes of the longest piece
  std::vector<std::string> specials_;
  std::int32_t unknown_ = 0, classification_ = 0, separator_ = 0;
};

}  // namespace mt
