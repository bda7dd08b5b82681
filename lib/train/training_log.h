// A run's diary: one JSON object a line.
#pragma once

#include <cstdint>
#include <filesystem>

#include <nlohmann/json.hpp>

namespace mt {

class TrainingLog {
 public:
  TrainingLog() = default;  // writes nothing
  // Creates the file; with keep_bytes (a resumed run) goes on behind that many bytes of the existing one. Throws Error:
  // it exists and holds something, without force or a resume; it cannot be written.
  TrainingLog(const std::filesystem::path& path, bool force, std::uint64_t keep_bytes);
  ~TrainingLog();
  TrainingLog(const TrainingLog&) = delete;
  TrainingLog& operator=(const TrainingLog&) = delete;

  void write(const nlohmann::json& entry);
  std::uint64_t bytes() const { return bytes_; }

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace mt
