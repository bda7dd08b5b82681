#include "ptx/tokens.h"

#include <algorithm>
#include <cctype>
#include <stdexcept>

namespace mt::ptx {

namespace {

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' || c == '%' || c == '.';
}

}  // namespace

std::vector<Token> tokens_of(std::string_view text) {
  std::vector<Token> tokens;
  unsigned line = 1;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    if (text[at] == '\n') {
      ++line;
    } else if (text.substr(at, 2) == "//") {
      end = std::min(text.find('\n', at), text.size());
    } else if (text[at] == '"') {
      end = std::min(text.find('"', at + 1), text.size() - 1) + 1;
      tokens.push_back({text.substr(at, end - at), line});
    } else if (std::isspace(static_cast<unsigned char>(text[at])) == 0) {
      while (is_word(text[at]) && end < text.size() && is_word(text[end])) ++end;
      tokens.push_back({text.substr(at, end - at), line});
    }
    at = end;
  }
  return tokens;
}

bool is_number(std::string_view text) { return std::isdigit(static_cast<unsigned char>(text[0])) != 0; }

std::uint64_t number_of(const Token& token) {
  const std::string text(token.text);
  const bool is_float = text.starts_with("0f") || text.starts_with("0F");
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string digits = is_float || is_hex ? text.substr(2) : text;
  const char* known = is_float || is_hex ? "0123456789abcdefABCDEF" : "0123456789";
  if (digits.empty() || digits.size() > 16 || (is_float && digits.size() != 8) ||
      digits.find_first_not_of(known) != std::string::npos)
    fail(token.line, "unknown number " + text);
  return std::stoull(digits, nullptr, is_float || is_hex ? 16 : 10);
}

void fail(unsigned line, const std::string& what) {
  throw std::runtime_error("PTX line " + std::to_string(line) + ": " + what);
}

}  // namespace mt::ptx
