// Files that hold one time series a line: .ts (sktime, aeon, UEA and UCR archives), .arff (Weka; series of several
// channels as a relational attribute, the way aeon writes them) and .tsv (UCR: class first, then the values).
//
// A header is parsed once; a case is parsed from its line alone, so that lines can be read in any order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

enum class SeriesFormat : std::uint8_t { ts, arff, tsv };

struct SeriesHeader {
  SeriesFormat format = SeriesFormat::ts;
  std::size_t data_offset = 0;           // where the first line of data starts
  std::size_t channels = 0;              // declared; 0: not declared, each case says it
  std::size_t steps = 0;                 // declared length of every series; 0: none, or unequal
  bool labels = false;                   // each case ends (tsv: starts) with its class
  bool targets = false;                  // ... with a number to be predicted instead
  std::vector<std::string> class_names;  // declared; empty: whatever the cases hold
  bool relational = false;               // arff: the series is one quoted field
};

// text: the file, or as much of its start as there is. Throws Error, naming the line: an unknown @ line, no @data,
// time stamps, an attribute that is neither numeric nor the class.
SeriesHeader parse_series_header(std::string_view text, SeriesFormat format, std::string_view where);

struct SeriesCase {
  Tensor values;      // [steps, channels] f32; NaN where missing (?, NaN or nothing)
  std::string label;  // "" unknown, or the target as written
};

// line: without its line end. Throws Error: something that is no number, an infinite one, channels of unequal lengths,
// another number of channels or steps than declared, a class that is not declared, nothing at all. UCR files fill
// shorter series up with NaN at the end: those steps are left out.
SeriesCase parse_series_case(std::string_view line, const SeriesHeader& header, std::string_view where);

// The case's class, or its target, without its values; "" unknown. The line's other fields are not looked at.
std::string series_label(std::string_view line, const SeriesHeader& header);

// "?", "NaN" and "" are NaN. nullopt for what is no number or lies beyond float32.
std::optional<float> parse_series_value(std::string_view text);

}  // namespace mt
