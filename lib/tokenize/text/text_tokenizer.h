// Text to token ids: one interface, word pieces (BERT) and byte pairs (CLIP) behind it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/model.h"

namespace mt {

struct TokenSequence {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> segments;  // 0: first text and the marks around it, 1: second text and its end mark
  bool truncated = false;              // the text was longer than max_tokens
};

class TextTokenizer {
 public:
  virtual ~TextTokenizer() = default;

  // text, second: valid UTF-8. At most max_tokens ids, start and end marks included; throws Error when max_tokens has
  // no room for the marks, or for a second text that this tokenizer cannot take. Safe to call from several threads.
  virtual TokenSequence encode(std::string_view text, std::optional<std::string_view> second,
                               std::size_t max_tokens) const = 0;

  virtual std::size_t vocabulary_size() const = 0;
  virtual std::string_view token(std::size_t id) const = 0;
  virtual std::int32_t end_token() const = 0;

  // What a model's tokenizer part needs to make this tokenizer again: configuration under "tokenizer", and the
  // vocabulary or merges as a tensor of bytes.
  virtual void store(Part& part) const = 0;
};

// The tokenizer that store() described. Throws Error.
std::unique_ptr<TextTokenizer> text_tokenizer_of(const Part& part);

// Lines as a tensor of bytes, each ended by a line feed, and back. Throws Error on a line feed within a line.
Tensor lines_tensor(const std::vector<std::string>& lines);
std::vector<std::string> lines_of(const Tensor& bytes);

}  // namespace mt
