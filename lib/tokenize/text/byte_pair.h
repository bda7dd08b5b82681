// CLIP's byte pairs (Sennrich et al. 2016 over the bytes of UTF-8), with the ids of the Hugging Face tokenizers
// package.
//
// A text is composed (NFC) and lower-cased, white space separates; contractions ('s 't 're 've 'm 'll 'd), runs of
// letters, single numbers and runs of everything else become words; each word's bytes are joined by the learned merges,
// the earliest first, the last symbol of a word carrying the word-end mark </w>. On ordinary text this gives the ids of
// OpenAI's and open_clip's tokenizer; their clean-up of broken Unicode and HTML entities (ftfy) is not done, and a
// Greek capital sigma at a word's end becomes the ordinary small one.
#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "tokenize/text/text_tokenizer.h"

namespace mt {

// The merges of a file such as bpe_simple_vocab_16e6.txt (plain or gzip): "left right" a line, behind an optional first
// line with #version. CLIP's vocabulary uses the first 48,894; what follows is left out. Throws Error.
std::vector<std::string> read_merges(const std::filesystem::path& path);

class BytePair : public TextTokenizer {
 public:
  // Ids: 256 byte symbols, the same with </w>, one a merge, start, end. Throws Error: a line that is no merge, a part
  // that is neither a byte nor merged in any line.
  explicit BytePair(std::vector<std::string> merges);

  // <|startoftext|> text <|endoftext|>; the two marks written in the text stand for themselves. Too long a text loses
  // its end. second must be absent.
  TokenSequence encode(std::string_view text, std::optional<std::string_view> second,
                       std::size_t max_tokens) const override;

  std::size_t vocabulary_size() const override { return symbols_.size(); }
  std::string_view token(std::size_t id) const override { return symbols_.at(id); }
  std::int32_t end_token() const override { return static_cast<std::int32_t>(symbols_.size()) - 1; }
  std::int32_t start_token() const { return end_token() - 1; }
  void store(Part& part) const override;

 private:
  struct Merge {
    std::size_t rank;
    std::int32_t result;
  };

  const Merge* merge_of(std::int32_t left, std::int32_t right) const;
  void append_plain(std::string_view text, std::size_t limit, std::vector<std::int32_t>& ids) const;
  void append_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  std::vector<std::string> lines_;    // the merges as given
  std::vector<std::string> symbols_;  // by id, bytes written as the letters that stand for them
  std::vector<std::int32_t> byte_ids_;
  std::unordered_map<std::uint64_t, Merge> merges_;
};

}  // namespace mt
