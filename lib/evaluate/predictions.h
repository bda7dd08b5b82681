// What a head says about samples, as files: a CSV table, and the schema of a predictions file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "base/tensor.h"
#include "base/text_output.h"
#include "heads/head.h"
#include "store/batch.h"
#include "store/schema.h"

namespace mt {

// RFC 4180: id,label,prediction,score:CLASS,... The label is empty where it is unknown. Text is as csv_field makes it.
class PredictionTable {
 public:
  // path: "-" is standard output.
  PredictionTable(const std::string& path, std::vector<std::string> classes, bool force);
  // labels: [n], -1 unknown; scores: [n, classes].
  void write(std::span<const std::string> ids, std::span<const std::int32_t> labels, const Tensor& scores);
  void publish() { output_.publish(); }

 private:
  TextOutput output_;
  std::vector<std::string> classes_;
};

// Predictions files hold the scores as /predictions [N, classes] float32, the classes' names as /label_names and the
// true classes as /labels; the predicted class is the first of the largest in a row. mt_config: "samples", the scored
// file's configuration; "head", the digest of the head.
Schema prediction_schema(const Schema& samples, const Head& head, const Digest& head_digest,
                         const std::string& creator);

// Throws Error where the head cannot take samples of this schema, with both widths. Otherwise returns why the head's
// scores are in doubt, because it was trained on something else; empty where there is no reason.
std::string doubt_about(const Schema& samples, const Head& head, const std::string& where);
std::string doubt_about(const Schema& samples, const HeadInput& trained, std::size_t width, const std::string& where);

}  // namespace mt
