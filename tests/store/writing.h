// Files as the tests write them, through the writer that programs use.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "store/sample_reader.h"
#include "store/sample_writer.h"
#include "support/samples.h"

namespace mt::test {

inline Digest some_digest(std::string_view text = "inputs") { return sha256(text); }

// Inputs [0, count) in batches of so many.
inline void write_inputs(SampleWriter& writer, const Schema& schema, std::size_t begin, std::size_t count,
                         std::size_t cut) {
  for (std::size_t i = begin; i < count; i += cut) writer.write(make_batch(schema, i, std::min(count, i + cut)));
}

inline void write_samples(const std::filesystem::path& path, const Schema& schema, std::size_t count, std::size_t cut,
                          const WriteOptions& options = {}) {
  const auto writer = SampleWriter::create(path.string(), schema, options);
  write_inputs(*writer, schema, 0, count, cut);
  writer->finish(some_digest());
}

inline std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void put_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline void flip_bit(const std::filesystem::path& path, std::size_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte ^ (1 << (bit % 8))));
}

inline std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Everything, through next().
inline Batch read_all(SampleReader& reader, std::size_t max_rows = 1000, std::size_t max_samples = 100) {
  Batch all;
  while (const auto batch = reader.next(max_rows, max_samples)) all.append(*batch);
  return all;
}
inline Batch read_all(const std::filesystem::path& path) { return read_all(*SampleReader::open(path.string())); }

}  // namespace mt::test
