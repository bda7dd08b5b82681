#include "evaluate/predictions.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "evaluate/outcome.h"

namespace mt {

PredictionTable::PredictionTable(const std::string& path, std::vector<std::string> classes, bool force)
    : output_(path, force), classes_(std::move(classes)) {
  std::string header = "id,label,prediction";
  for (const std::string& name : classes_) header += "," + csv_field("score:" + name);
  output_.write(header + "\r\n");
}

void PredictionTable::write(std::span<const std::string> ids, std::span<const std::int32_t> labels,
                            const Tensor& scores) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::span<const float> row = scores.row<float>(i);
    std::string line = csv_field(ids[i]) + ",";
    if (labels[i] >= 0) line += csv_field(classes_[static_cast<std::size_t>(labels[i])]);
    line += "," + csv_field(classes_[prediction_of(row)]);
    for (const float score : row) line += "," + csv_number(score);
    output_.write(line += "\r\n");
  }
}

Schema prediction_schema(const Schema& samples, const Head& head, const Digest& head_digest,
                         const std::string& creator) {
  Schema schema;
  schema.kind = Kind::predictions;
  schema.modality = samples.modality;
  schema.creator = creator;
  schema.config = {{"samples", samples.config}, {"head", hex(head_digest)}};
  schema.width = head.class_names().size();
  schema.ragged = false;
  schema.has_labels = true;
  schema.label_names = head.class_names();
  return schema;
}

std::string doubt_about(const Schema& samples, const Head& head, const std::string& where) {
  return doubt_about(samples, head.description().input, head.feature_width(), where);
}

std::string doubt_about(const Schema& samples, const HeadInput& trained, std::size_t width, const std::string& where) {
  if (samples.kind == Kind::model || samples.kind == Kind::predictions) {
    throw Error(where, fmt::format("holds {}, not features", name_of(samples.kind)), "mt-encode makes features");
  }
  const std::size_t rows = std::max<std::size_t>(1, trained.rows);
  if (samples.width * rows != width) {
    const std::string taken = rows > 1 ? fmt::format("{} rows of {}", rows, width / rows) : std::to_string(width);
    throw Error(where, fmt::format("/{} is {} wide, the head takes {}", samples.rows_name(), samples.width, taken),
                "encode with the model and pooling that the head was trained with");
  }
  const HeadInput given = head_input_of(samples, rows);
  if (given.kind != trained.kind) {
    return fmt::format("holds {}, the head was trained on {}", name_of(given.kind), name_of(trained.kind));
  }
  if (!given.modality.empty() && !trained.modality.empty() && given.modality != trained.modality) {
    return fmt::format("is of modality {}, the head was trained on {}", given.modality, trained.modality);
  }
  if (!given.digest.empty() && !trained.digest.empty() && given.digest != trained.digest) {
    return "was made with another encoder or other settings than the head's training samples";
  }
  return {};
}

}  // namespace mt
