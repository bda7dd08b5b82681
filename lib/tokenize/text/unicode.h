// Unicode as the text tokenizers see it: the properties, decompositions and lower-case forms that the reference
// tokenizers go by, which mix several Unicode versions (tests/reference/make_unicode_tables.py says how they were
// found). New characters of later versions keep meaning what they meant when the vocabularies were made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace mt::unicode {

// Properties of a character; several may hold.
enum Flag : std::uint8_t {
  kControl = 1,        // dropped by BERT: controls, format and private characters, U+FFFD
  kSpace = 2,          // white space to BERT
  kPunctuation = 4,    // BERT's rule: all ASCII that is neither letter, digit nor space counts, and category P
  kMark = 8,           // category Mn: an accent, once decomposed
  kChinese = 16,       // the blocks of ideographs that BERT splits into characters
  kLetter = 32,        // category L
  kNumber = 64,        // category N
  kPatternSpace = 128  // \s of a regular expression
};

unsigned flags(char32_t c);  // 0 beyond U+10FFFF
inline bool is(char32_t c, unsigned any_of) { return (flags(c) & any_of) != 0; }

// The character at text[position], moved behind it. text must be valid UTF-8 (readers see to that); a stray byte is
// taken as U+FFFD.
char32_t next(std::string_view text, std::size_t& position);
void append(std::string& text, char32_t c);  // as UTF-8
std::u32string decoded(std::string_view text);
std::string encoded(std::u32string_view text);

// Lower case of each character on its own (a Greek final sigma is not recognised); the only one that grows is
// U+0130, which becomes two.
std::u32string lower(std::u32string_view text);

// Canonical decomposition (NFD) and composition (NFC).
std::u32string decomposed(std::u32string_view text);
std::u32string composed(std::u32string_view text);

}  // namespace mt::unicode
