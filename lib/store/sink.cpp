#include "store/sink.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "store/export.h"

namespace mt {

namespace {

class FileSink : public SampleSink {
 public:
  FileSink(const std::string& output, const Schema& schema, const WriteOptions& options)
      : writer_(SampleWriter::create(output, schema, options)) {
    if (writer_->already_done()) return;
    sealed_ = static_cast<std::size_t>(writer_->resumed_samples());
    last_index_ = writer_->last_index();
  }

  bool already_done() const override { return writer_->already_done(); }

  void write(Batch batch) override {
    std::erase_if(batch.rejected, [this](const Rejected& one) { return sealed_ > 0 && one.index <= last_index_; });
    if (const std::size_t again = std::min(sealed_, batch.samples()); again > 0) {
      sealed_ -= again;
      Batch rest = batch.slice(again, batch.samples());
      rest.rejected = std::move(batch.rejected);
      batch = std::move(rest);
    }
    if (batch.samples() > 0 || !batch.rejected.empty()) writer_->write(batch);
  }

  void finish(const Digest& inputs) override { writer_->finish(inputs); }

 private:
  std::unique_ptr<SampleWriter> writer_;
  std::size_t sealed_ = 0;  // samples that are still to be left out
  std::int64_t last_index_ = -1;
};

class ExportSink : public SampleSink {
 public:
  explicit ExportSink(std::unique_ptr<Exporter> exporter) : exporter_(std::move(exporter)) {}
  void write(Batch batch) override { exporter_->write(batch); }
  void finish(const Digest& /*inputs*/) override { exporter_->finish(); }

 private:
  std::unique_ptr<Exporter> exporter_;
};

}  // namespace

OutputFormat output_format(std::string_view format, std::string_view output) {
  if (format.empty()) {
    if (output.ends_with(".npz")) return OutputFormat::npz;
    if (output.ends_with(".csv")) return OutputFormat::csv;
    return OutputFormat::samples;
  }
  if (format == "h5") return OutputFormat::samples;
  if (format == "npz") return OutputFormat::npz;
  if (format == "csv") return OutputFormat::csv;
  throw UsageError("--format", fmt::format("\"{}\" is none of h5, npz and csv", format));
}

std::unique_ptr<SampleSink> SampleSink::create(OutputFormat format, const std::string& output, const Schema& schema,
                                               const WriteOptions& options) {
  if (output.empty()) throw UsageError("--output", "is empty", "give a file name, or - for standard output");
  switch (format) {
    case OutputFormat::samples:
      return std::make_unique<FileSink>(output, schema, options);
    case OutputFormat::npz:
      return std::make_unique<ExportSink>(make_npz_exporter(output, schema, options.force));
    case OutputFormat::csv:
      return std::make_unique<ExportSink>(make_csv_exporter(output, schema, options.force));
  }
  throw std::logic_error("SampleSink: unknown format");
}

}  // namespace mt
