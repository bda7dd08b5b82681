// The words of a PTX text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mt::ptx {

struct Token {
  std::string_view text;
  unsigned line;
};

// Words, quoted texts and single signs; comments are left out.
std::vector<Token> tokens_of(std::string_view text);

// Decimal or 0x; a float32 as 0f and its bits. No sign.
bool is_number(std::string_view text);
std::uint64_t number_of(const Token& token);

// Throws the runtime_error that names the line.
[[noreturn]] void fail(unsigned line, const std::string& what);

}  // namespace mt::ptx
