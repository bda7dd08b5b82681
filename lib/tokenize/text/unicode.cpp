#include "tokenize/text/unicode.h"

#include <algorithm>
#include <span>
#include <unordered_map>
#include <vector>

#include "tokenize/text/unicode_tables.h"

namespace mt::unicode {

namespace {

constexpr char32_t kEnd = 0x110000;
constexpr char32_t kReplacement = 0xFFFD;

// The generated ranges unrolled, so that a property is one look-up: 1.1 MiB, made at the first use.
const std::vector<std::uint8_t>& flag_table() {
  static const auto table = [] {
    std::vector<std::uint8_t> all(kEnd);
    for (const FlagRange& range : std::span(kFlagRanges, kFlagRangesCount)) {
      std::fill(all.begin() + range.first, all.begin() + range.last + 1, static_cast<std::uint8_t>(range.flags));
    }
    return all;
  }();
  return table;
}

struct Mappings {
  std::unordered_map<char32_t, char32_t> lower;
  std::unordered_map<char32_t, unsigned> combining_class;
  std::unordered_map<char32_t, std::u32string> decomposition;  // whole, not one step
  std::unordered_map<std::uint64_t, char32_t> composition;     // by (first << 32 | second)
};

std::uint64_t pair_of(char32_t first, char32_t second) { return std::uint64_t{first} << 32 | second; }

const Mappings& mappings() {
  static const auto made = [] {
    Mappings m;
    for (const LowerRun& run : std::span(kLowerRuns, kLowerRunsCount)) {
      for (char32_t c = run.first; c <= run.last; c += run.step) {
        m.lower[c] = static_cast<char32_t>(static_cast<std::int64_t>(c) + run.distance);
      }
    }
    for (const ClassRange& range : std::span(kClassRanges, kClassRangesCount)) {
      for (char32_t c = range.first; c <= range.last; ++c) m.combining_class[c] = range.combining_class;
    }
    const std::span steps(kDecompositions, kDecompositionsCount);
    for (const Decomposition& step : steps) {
      m.decomposition[step.code] =
          step.second != 0 ? std::u32string{step.first, step.second} : std::u32string{step.first};
      if (step.composes) m.composition[pair_of(step.first, step.second)] = step.code;
    }
    // A first part may decompose further; seconds never do.
    for (const Decomposition& step : steps) {
      std::u32string& whole = m.decomposition[step.code];
      for (auto more = m.decomposition.find(whole[0]); more != m.decomposition.end();
           more = m.decomposition.find(whole[0])) {
        whole.replace(0, 1, std::u32string(more->second));
      }
    }
    return m;
  }();
  return made;
}

unsigned combining_class(char32_t c) {
  if (c < 0x300) return 0;
  const auto& classes = mappings().combining_class;
  const auto found = classes.find(c);
  return found == classes.end() ? 0 : found->second;
}

// Hangul syllables are arithmetic (Unicode, section 3.12): leading, vowel, optional trailing part.
constexpr char32_t kSyllable = 0xAC00, kLeading = 0x1100, kVowel = 0x1161, kTrailing = 0x11A7;
constexpr char32_t kLeadings = 19, kVowels = 21, kTrailings = 28, kSyllables = kLeadings * kVowels * kTrailings;

void append_decomposition(std::u32string& out, char32_t c) {
  if (c < 0xC0) {
    out += c;
  } else if (c - kSyllable < kSyllables) {
    const char32_t index = c - kSyllable;
    out += kLeading + index / (kVowels * kTrailings);
    out += kVowel + index % (kVowels * kTrailings) / kTrailings;
    if (index % kTrailings != 0) out += kTrailing + index % kTrailings;
  } else {
    const auto& decompositions = mappings().decomposition;
    const auto found = decompositions.find(c);
    if (found == decompositions.end())
      out += c;
    else
      out += found->second;
  }
}

// The character that first and second make together, 0 when they make none.
char32_t composition(char32_t first, char32_t second) {
  if (first - kLeading < kLeadings && second - kVowel < kVowels) {
    return kSyllable + ((first - kLeading) * kVowels + (second - kVowel)) * kTrailings;
  }
  if (first - kSyllable < kSyllables && (first - kSyllable) % kTrailings == 0 &&
      second - kTrailing - 1 < kTrailings - 1) {
    return first + (second - kTrailing);
  }
  const auto& compositions = mappings().composition;
  const auto found = compositions.find(pair_of(first, second));
  return found == compositions.end() ? 0 : found->second;
}

}  // namespace

unsigned flags(char32_t c) { return c < kEnd ? flag_table()[c] : 0; }

char32_t next(std::string_view text, std::size_t& position) {
  const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[i])); };
  const char32_t lead = byte(position++);
  if (lead < 0x80) return lead;
  const std::size_t tail = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
  if (tail == 0 || position + tail > text.size()) return kReplacement;
  char32_t c = lead & (0x3Fu >> tail);
  for (std::size_t i = 0; i < tail; ++i) c = c << 6 | (byte(position + i) & 0x3F);
  position += tail;
  return c < kEnd ? c : kReplacement;
}

void append(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6), put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18), put(0x80 | (c >> 12 & 0x3F)), put(0x80 | (c >> 6 & 0x3F)), put(0x80 | (c & 0x3F));
  }
}

std::u32string decoded(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) out += next(text, i);
  return out;
}

std::string encoded(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) append(out, c);
  return out;
}

std::u32string lower(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c < 0x80) {
      out += c >= U'A' && c <= U'Z' ? c + 32 : c;
    } else if (c == 0x130) {
      out += U"i\u0307";
    } else {
      const auto& map = mappings().lower;
      const auto found = map.find(c);
      out += found == map.end() ? c : found->second;
    }
  }
  return out;
}

std::u32string decomposed(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) append_decomposition(out, c);
  // Canonical order: marks between two characters of class 0 stand by class, equal classes as they were.
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (combining_class(out[i]) == 0) continue;
    std::size_t end = i + 1;
    while (end < out.size() && combining_class(out[end]) != 0) ++end;
    std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(i), out.begin() + static_cast<std::ptrdiff_t>(end),
                     [](char32_t a, char32_t b) { return combining_class(a) < combining_class(b); });
    i = end;
  }
  return out;
}

std::u32string composed(std::u32string_view text) {
  std::u32string out = decomposed(text);
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t size = 0, starter = kNone;
  unsigned previous = 0;  // class of the last character that stayed behind the starter
  for (const char32_t c : std::u32string(out)) {
    const unsigned current = combining_class(c);
    const bool adjacent = starter != kNone && starter + 1 == size;
    if (starter != kNone && (adjacent || (previous != 0 && previous < current))) {
      if (const char32_t whole = composition(out[starter], c); whole != 0) {
        out[starter] = whole;
        continue;
      }
    }
    if (current == 0) starter = size;
    previous = current;
    out[size++] = c;
  }
  out.resize(size);
  return out;
}

}  // namespace mt::unicode
