// What is in a file, whether it is whole, how it was made: for any file of ours and any foreign checkpoint.
#pragma once

#include <functional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/progress.h"

namespace mt {

struct InspectOptions {
  bool verify = false;      // read everything: checksums, offsets, labels in range, ids unique, tensors' digests
  bool statistics = false;  // of the rows, or of every tensor
};

// "kind" is tokens, patches, features, predictions, model, checkpoint or journal. Sample files and streams have
//   file, kind, container ("hdf5" | "stream" | "journal"), bytes (null for a pipe), complete, modality, creator,
//   samples, rows, datasets [{name, shape, dtype}], checksums (of the main data set), tokens {prefix, positions,
//   pre_norm, source} (tokens only), rows_per_sample {min, mean, max} (several rows a sample), labels {classes: {name:
//   count}, unknown}, rejected, config, inputs, statistics {mean, deviation, min, max, nan, infinite}, verified
// models and checkpoints
//   file, kind, container, bytes, creator, parameters, parts [{name, digest, config, parameters, tensors [{name, shape,
//   dtype, statistics}]}] (a checkpoint has one part without a name), metadata, verified
// name "-" is standard input, for samples. Streams are read to their end; of a journal, or a stream that was cut, what
// is sealed is told, and "complete" is false. Throws Error when it is none of these or when it is damaged.
using Inspection = nlohmann::ordered_json;
Inspection inspect(const std::string& name, const InspectOptions& options, Progress& progress);

// The ids of samples in order; from a file without reading their rows.
void for_each_id(const std::string& name, const std::function<void(const std::string& id)>& visit);

// For people: a block, or one line. Text from files is made printable.
std::string inspection_text(const Inspection& inspection);
std::string inspection_line(const Inspection& inspection);

}  // namespace mt
