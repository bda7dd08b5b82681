// What the reference tokenizers made of texts (tests/reference/make_text_goldens.py).
#pragma once

#include <string>

#include "base/files.h"
#include "base/json.h"
#include "tokenize/text/unicode.h"

namespace mt::test {

inline const nlohmann::json& text_golden() {
  static const nlohmann::json golden =
      parse_json(read_text_file(std::string(MT_TESTS_DIR) + "/golden/text.json", 1 << 20), "text.json");
  return golden;
}

// All of Unicode, one character after another, each between others and under two accents.
template <class Use>
void for_each_character_text(Use use) {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string character;
    unicode::append(character, c);
    use("a" + character + "b " + character + "\u0301\u0345");
  }
}

}  // namespace mt::test
