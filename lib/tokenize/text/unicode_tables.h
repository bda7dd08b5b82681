// The shape of the generated tables; unicode.h is what the tokenizers use.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>

#include "tokenize/text/unicode.h"

namespace mt::unicode {

struct FlagRange {
  char32_t first, last;
  unsigned flags;
};
struct ClassRange {
  char32_t first, last;
  unsigned combining_class;
};
// first, first + step, ... last become themselves + distance.
struct LowerRun {
  char32_t first, last, step;
  std::int32_t distance;
};
// One canonical step: code is first, second (0: none). composes: NFC puts the two together again.
struct Decomposition {
  char32_t code, first, second;
  bool composes;
};

extern const FlagRange kFlagRanges[];
extern const std::size_t kFlagRangesCount;
extern const ClassRange kClassRanges[];
extern const std::size_t kClassRangesCount;
extern const LowerRun kLowerRuns[];
extern const std::size_t kLowerRunsCount;
extern const Decomposition kDecompositions[];
extern const std::size_t kDecompositionsCount;

}  // namespace mt::unicode
