// Writing NumPy's .npz: a zip archive of stored .npy entries, made in one pass with memory that does not grow with the
// data. Every entry has a zip64 field, so that entries beyond 4 GiB need no second thought (as numpy.savez does).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

// dtype of an array as .npy declares it: "<f4", "|u1", "<U12", ... bf16, which NumPy lacks, throws Error.
std::string npy_descriptor(DType dtype);

class NpzWriter {
 public:
  // file: an existing regular file (StagedFile::path()), overwritten. name: what the user calls it, for errors.
  NpzWriter(const std::filesystem::path& file, std::string name);
  ~NpzWriter();
  NpzWriter(const NpzWriter&) = delete;
  NpzWriter& operator=(const NpzWriter&) = delete;

  // One array, row by row: begin, append as often as needed, end. row_shape: the shape behind the first dimension;
  // how many rows there are is known at the end. item_bytes: of one element. Throws Error: disk full, a name twice.
  void begin(const std::string& array, std::string descriptor, std::size_t item_bytes, Shape row_shape);
  void append(std::span<const std::byte> rows);
  void end();

  // A whole array.
  void add(const std::string& array, const Tensor& values);
  // [n] text, as NumPy's unicode type (<U); text that is not UTF-8 throws Error.
  void add_text(const std::string& array, std::span<const std::string> values);
  // One text, as an array without dimensions: numpy.load(...)["config"].item().
  void add_scalar_text(const std::string& array, std::string_view value);

  // Writes the directory and closes. Without this call the file is no archive.
  void finish();

 private:
  struct Entry {
    std::string name;
    std::uint64_t offset = 0, size = 0;
    std::uint32_t crc = 0;
  };
  struct Open;
  void write(std::span<const std::byte> bytes);
  void write(std::string_view bytes);
  std::uint64_t position() const { return position_; }
  void put_header(const Entry& entry);

  std::string name_;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t position_ = 0;
  std::vector<Entry> entries_;
  std::unique_ptr<Open> open_;
};

// UTF-8 as NumPy's unicode elements: 4 bytes a character, padded with zeros to characters; longer text is a
// logic_error.
void append_utf32(std::string_view text, std::size_t characters, std::vector<std::byte>& out);
std::size_t utf8_characters(std::string_view text);

}  // namespace mt
