// Where samples go at the end of a program: a sample file, a stream, or an export, behind one interface.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "store/batch.h"
#include "store/sample_writer.h"
#include "store/schema.h"

namespace mt {

enum class OutputFormat : std::uint8_t { samples, npz, csv };  // samples: HDF5, or frames to a pipe

// format: "h5", "npz", "csv" or "", then by the ending of output. Throws UsageError.
OutputFormat output_format(std::string_view format, std::string_view output);

class SampleSink {
 public:
  static std::unique_ptr<SampleSink> create(OutputFormat format, const std::string& output, const Schema& schema,
                                            const WriteOptions& options);
  virtual ~SampleSink() = default;

  virtual bool already_done() const { return false; }  // the output exists and is equal
  // After a resume, samples that are sealed already are given again, and left out.
  virtual void write(Batch batch) = 0;
  virtual void finish(const Digest& inputs) = 0;
};

}  // namespace mt
