// Where texts come from: lines, columns of TSV and CSV, keys of JSON lines, all seen as one indexed list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/digest.h"

namespace mt {

// lines: every line is a text, empty ones too. tsv: fields end at tabs, quotes mean nothing. csv: RFC 4180, a quoted
// field may span lines. json: one object a line. Blank lines count in lines only.
enum class TextFormat : std::uint8_t { automatic, lines, tsv, csv, json };

struct TextSourceOptions {
  std::vector<std::string> inputs;            // files; "-" is standard input, held in memory (at most 1 GiB)
  TextFormat format = TextFormat::automatic;  // by extension: .tsv, .csv, .jsonl, .ndjson; else lines
  char separator = '\0';                      // of csv; 0: a comma
  // A column's number from 1, or its name, which the first row then gives; of JSON lines a key.
  std::string column;                                 // "": the only column; "text" of JSON lines
  std::string pair_column, label_column, id_column;   // "": none
  bool header = false;                                // the first row is names even when no column is named
  std::string labels;                                 // a file with one label a line, for inputs that hold none
  std::uint64_t max_bytes = std::uint64_t{16} << 20;  // of one line or row
};

// The full list, fixed at construction (which reads the inputs once, for the places of rows and the names of labels).
// Ids: the id column's, or "FILE#ROW", rows counted from 0, percent-escaped; unique. What is wrong with one row rejects
// that row: too long, not UTF-8, a zero byte, a column or key missing, damaged quotes or JSON.
class TextSource {
 public:
  static std::unique_ptr<TextSource> open(const TextSourceOptions& options);  // throws Error, UsageError
  virtual ~TextSource() = default;

  virtual std::size_t size() const = 0;
  virtual std::string id(std::size_t i) const = 0;
  virtual bool has_labels() const = 0;
  virtual const std::vector<std::string>& label_names() const = 0;  // sorted bytewise; numbers by value
  virtual std::int32_t label(std::size_t i) const = 0;              // -1: empty, or its row is damaged

  struct Loaded {
    std::string text;
    std::optional<std::string> second;
  };
  // Throws Error (the sample is then rejected). Callable from several threads at once.
  virtual Loaded load(std::size_t i) const = 0;
  virtual Digest digest(std::size_t i) const = 0;  // of the row's bytes, without its line end
};

}  // namespace mt
