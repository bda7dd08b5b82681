#include "tokenize/text/text_tokenizer.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/text/byte_pair.h"
#include "tokenize/text/wordpiece.h"

namespace mt {

namespace {

std::string member(const Part& part, const char* name, const char* otherwise) {
  const auto tokenizer = part.config.find("tokenizer");
  if (tokenizer == part.config.end() || !tokenizer->is_object()) return otherwise;
  const auto found = tokenizer->find(name);
  return found != tokenizer->end() && found->is_string() ? found->get<std::string>() : otherwise;
}

bool lower_case_of(const Part& part) {
  const auto& tokenizer = part.config.at("tokenizer");
  const auto found = tokenizer.find("lower_case");
  if (found == tokenizer.end() || !found->is_boolean()) {
    throw Error("tokenizer/text", "does not say whether it lower-cases", "make it again from its vocabulary");
  }
  return found->get<bool>();
}

}  // namespace

std::unique_ptr<TextTokenizer> text_tokenizer_of(const Part& part) {
  const std::string kind = member(part, "kind", "");
  if (kind == "wordpiece") return std::make_unique<WordPiece>(lines_of(part.at("vocabulary")), lower_case_of(part));
  if (kind == "byte_pair") return std::make_unique<BytePair>(lines_of(part.at("merges")));
  throw Error("tokenizer/text", fmt::format("has a tokenizer of the unknown kind \"{}\"", printable(kind)),
              "give --vocab or --merges");
}

Tensor lines_tensor(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    if (line.find('\n') != std::string::npos) {
      throw Error("vocabulary", fmt::format("has the token \"{}\", which spans lines", printable(line)));
    }
    text += line;
    text += '\n';
  }
  return Tensor::of<std::uint8_t>({text.size()}, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

std::vector<std::string> lines_of(const Tensor& bytes) {
  if (bytes.dtype() != DType::u8 || bytes.shape().size() != 1) {
    throw Error("vocabulary",
                fmt::format("is {} {}, not a row of bytes", name_of(bytes.dtype()), to_string(bytes.shape())));
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.empty() && text.back() != '\n') throw Error("vocabulary", "ends within a line");
  if (!is_utf8(text)) throw Error("vocabulary", "is not UTF-8");
  std::vector<std::string> lines;
  for (const std::string_view line : split(text, '\n')) lines.emplace_back(line);
  lines.pop_back();
  return lines;
}

}  // namespace mt
