// The classes of several files, joined by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "store/schema.h"

namespace mt {

struct LabelledRows {
  std::vector<std::uint32_t> rows;   // of a file's samples those that have a label, ascending
  std::vector<std::int32_t> labels;  // [rows], numbers of the joined classes
};

class JoinedClasses {
 public:
  // The labelled samples of one more file, by its /labels. Classes keep the order of the file that names them first;
  // files without /label_names name them "0", "1", ... With known_only a sample of a new class is an error. Throws
  // Error: labels that /label_names does not have.
  LabelledRows join(const std::string& file, const Schema& schema, std::span<const std::int32_t> labels,
                    bool known_only);

  // Forgets classes that no label names, whose weights could only drift away, and counts the others anew. Returns their
  // names.
  std::vector<std::string> drop_empty(std::span<std::int32_t> labels);

  const std::vector<std::string>& names() const { return names_; }
  std::vector<std::size_t> counts(std::span<const std::int32_t> labels) const;  // [classes]

 private:
  std::vector<std::string> names_;
};

}  // namespace mt
