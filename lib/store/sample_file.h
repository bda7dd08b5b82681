// The samples of one open HDF5 file, ours or another's: every claim checked, any range of samples readable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "store/batch.h"
#include "store/columns.h"
#include "store/hdf5.h"
#include "store/schema.h"

namespace mt {

class SampleFile {
 public:
  // where: the file's name for errors. directory: of the file, where the sources of virtual data sets must lie; empty
  // refuses them. Throws Error when columns' lengths, types or widths do not fit each other.
  SampleFile(h5::File file, std::string where, Schema schema, const std::string& directory);

  const Schema& schema() const { return schema_; }
  hid_t id() const { return file_.get(); }
  std::size_t samples() const { return samples_; }
  std::size_t rows() const { return rows_; }
  std::size_t boxes() const { return boxes_; }
  bool has_checksums() const;  // of the main data set
  std::size_t rejected_count() const { return rejected_ ? rejected_->declared.elements : 0; }

  // Samples [begin, end), without rejected inputs; without_rows leaves the main data set out. Throws logic_error
  // outside of the file.
  Batch read(std::size_t begin, std::size_t end, bool without_rows = false) const;
  std::vector<std::int64_t> offsets(std::size_t begin,
                                    std::size_t end) const;  // of the file; without /offsets begin .. end
  std::vector<std::string> ids(std::size_t begin, std::size_t end) const { return read_ids(begin, end); }
  std::vector<std::int64_t> index(std::size_t begin, std::size_t end) const;
  std::vector<std::int32_t> labels(std::size_t begin, std::size_t end) const;
  std::vector<Rejected> rejected(std::size_t begin, std::size_t end) const;

 private:
  struct Source {
    Column column;
    h5::Opened opened;
    DType stored;  // nearest type of the file's
    std::string where;
  };
  void open_column(const Column& column, const std::string& directory);
  std::size_t expected_rows(const Column& column) const;
  const Source* source(ColumnId id) const;
  std::vector<std::string> read_ids(std::size_t begin, std::size_t end) const;
  std::vector<std::int64_t> read_offsets(const Source& source, std::size_t begin, std::size_t end,
                                         std::size_t limit) const;
  void read_column(const Source& source, std::size_t begin, std::size_t end, Batch& batch) const;

  h5::File file_;
  std::string where_;
  Schema schema_;
  std::optional<h5::Opened> ids_, rejected_;
  std::vector<Source> sources_;
  std::size_t samples_ = 0, rows_ = 0, boxes_ = 0;
};

}  // namespace mt
