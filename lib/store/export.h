// Sample files as others read them: .npz for NumPy, .csv for everything else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "store/batch.h"
#include "store/schema.h"

namespace mt {

class Exporter {
 public:
  virtual ~Exporter() = default;
  virtual void write(const Batch& batch) = 0;
  // The file appears under its name. Without this call it never does.
  virtual void finish() = 0;
};

// Arrays: features (tokens, patches, predictions) as the file has them, ids (<U), index, and what else there is:
// labels, label_names, targets, target_names, numbers, number_names, offsets, codes, centers, token_labels, grid,
// boxes, box_offsets; config (one JSON text). Memory does not grow with the samples: the rows are written through, the
// smaller columns wait in temporary files without a name beside the output. Throws Error: the output exists and force
// is not set, or is "-".
std::unique_ptr<Exporter> make_npz_exporter(const std::string& output, const Schema& schema, bool force);

// RFC 4180 with a header: id, index, label (the class's name, empty when unknown), targets, numbers; where samples have
// several rows also row, code0.., center0.., token_label, and a line for each row; then feature0.. (token0..,
// patch0..), for predictions the classes' names. Text is as csv_field makes it; grids and boxes are left out. "-":
// standard output.
std::unique_ptr<Exporter> make_csv_exporter(const std::string& output, const Schema& schema, bool force);

}  // namespace mt
