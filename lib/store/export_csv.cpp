#include <iterator>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "base/text_output.h"
#include "store/export.h"

namespace mt {

namespace {

class CsvExporter : public Exporter {
 public:
  CsvExporter(const std::string& output, const Schema& schema, bool force) : output_(output, force), schema_(schema) {
    output_.write(header());
  }

  void write(const Batch& batch) override {
    const Tensor rows = batch.rows.dtype() == DType::f32 ? batch.rows : batch.rows.to(DType::f32);
    for (std::size_t i = 0; i < batch.samples(); ++i) {
      const std::string sample = sample_fields(batch, i);
      for (std::size_t row = batch.row_begin(i); row < batch.row_end(i); ++row) {
        std::string line = sample;
        if (schema_.ragged) append_row_fields(batch, row, row - batch.row_begin(i), line);
        for (const float value : rows.row<float>(row)) line += "," + csv_number(value);
        output_.write(line += "\r\n");
      }
    }
  }

  void finish() override { output_.publish(); }

 private:
  std::string header() const {
    std::string line = "id,index";
    const auto numbered = [&line](std::string_view name, std::size_t count) {
      for (std::size_t k = 0; k < count; ++k) fmt::format_to(std::back_inserter(line), ",{}{}", name, k);
    };
    if (schema_.has_labels) line += ",label";
    if (schema_.target_names.empty()) numbered("target", schema_.target_width);
    for (const std::string& name : schema_.target_names) line += "," + csv_field(name);
    if (schema_.number_names.empty()) numbered("number", schema_.number_width);
    for (const std::string& name : schema_.number_names) line += "," + csv_field(name);
    if (schema_.ragged) {
      line += ",row";
      numbered("code", schema_.code_width);
      numbered("center", schema_.has_centers ? 3 : 0);
      if (schema_.has_token_labels) line += ",token_label";
    }
    if (schema_.kind == Kind::predictions && schema_.label_names.size() == schema_.width) {
      for (const std::string& name : schema_.label_names) line += "," + csv_field(name);
    } else {
      std::string name(schema_.rows_name());
      name.pop_back();  // tokens -> token
      if (schema_.kind == Kind::patches) name = "patch";
      numbered(name, schema_.width);
    }
    return line + "\r\n";
  }

  std::string sample_fields(const Batch& batch, std::size_t i) const {
    std::string line = csv_field(batch.ids[i]) + "," + (batch.index.empty() ? "" : std::to_string(batch.index[i]));
    if (schema_.has_labels) {
      const std::int32_t label = batch.labels.empty() ? -1 : batch.labels[i];
      line += ",";
      if (label >= 0 && static_cast<std::size_t>(label) < schema_.label_names.size()) {
        line += csv_field(schema_.label_names[static_cast<std::size_t>(label)]);
      } else if (label >= 0) {
        line += std::to_string(label);
      }
    }
    if (schema_.target_width > 0) {
      for (const float value : batch.targets.row<float>(i)) line += "," + csv_number(value);
    }
    if (schema_.number_width > 0) {
      for (const float value : batch.numbers.row<float>(i)) line += "," + csv_number(value);
    }
    return line;
  }

  void append_row_fields(const Batch& batch, std::size_t row, std::size_t number, std::string& line) const {
    line += "," + std::to_string(number);
    if (schema_.code_width > 0) {
      for (const std::int32_t code : batch.codes.row<std::int32_t>(row)) line += "," + std::to_string(code);
    }
    if (schema_.has_centers) {
      for (const float value : batch.centers.row<float>(row)) line += "," + csv_number(value);
    }
    if (schema_.has_token_labels) line += "," + std::to_string(batch.token_labels[row]);
  }

  TextOutput output_;
  Schema schema_;
};

}  // namespace

std::unique_ptr<Exporter> make_csv_exporter(const std::string& output, const Schema& schema, bool force) {
  return std::make_unique<CsvExporter>(output, schema, force);
}

}  // namespace mt
