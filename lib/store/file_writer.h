// Writes the plain HDF5 file of known totals, batch by batch. How batches are cut does not show in its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "store/batch.h"
#include "store/columns.h"
#include "store/hdf5.h"
#include "store/images.h"
#include "store/schema.h"

namespace mt {

// A data set that is filled from the first row to the last. Chunks are written whole, in the order in which they fill.
class ColumnWriter {
 public:
  ColumnWriter(hid_t file, std::string name, h5::Type type, std::size_t width, std::size_t row_bytes,
               std::uint64_t rows, int compression, std::string where);
  hid_t id() const { return dataset_.get(); }
  void append(std::span<const std::byte> rows);
  void finish();  // writes the last chunk, checks that every row came, closes

 private:
  void flush();

  std::string where_;
  h5::Type type_;
  h5::Dataset dataset_;
  std::size_t row_bytes_;
  std::uint64_t rows_, chunk_rows_, written_ = 0;
  std::vector<std::byte> chunk_;
};

class FileWriter {
 public:
  // path: written to, replaced; name: the user's, for errors. totals: of everything that will be added. With a
  // virtual_rows, the main data set is left out: whoever made it has to make it in file().
  FileWriter(const std::filesystem::path& path, std::string name, const Schema& schema, const Totals& totals,
             int compression, bool virtual_rows = false);
  hid_t file() const { return file_.get(); }
  void add(const Batch& batch);
  // Completes, closes, opens again to see that it is whole. Throws Error when a byte could not be written.
  void finish(const Digest& inputs);

 private:
  void add_sample(const Batch& batch, std::size_t i);
  void add_rejected(const Rejected& rejected);

  struct Target {
    Column column;
    ColumnWriter writer;
  };
  std::filesystem::path path_;
  std::string name_;
  Totals totals_;
  h5::File file_;
  std::optional<ColumnWriter> ids_, rejected_;
  std::vector<Target> targets_;
  std::vector<std::byte> id_row_, rejected_row_;
  std::int64_t rows_ = 0, boxes_ = 0;
};

// What the file will take, within a few chunks.
std::uint64_t file_bytes(const Schema& schema, const Totals& totals);

}  // namespace mt
