// Text that grows line by line: a file that appears whole or not at all, or standard output.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/files.h"

namespace mt {

class TextOutput {
 public:
  // name: a path, or "-" for standard output. Throws Error: the path exists and force is not set.
  TextOutput(const std::string& name, bool force);
  ~TextOutput();
  TextOutput(const TextOutput&) = delete;
  TextOutput& operator=(const TextOutput&) = delete;

  void write(std::string_view text);  // buffered
  // Writes what is left; a file is synced and renamed. Without this call a file never appears.
  void publish();

 private:
  void flush();

  std::string name_, buffer_;
  std::unique_ptr<StagedFile> staged_;  // null: standard output
  int descriptor_ = -1;
};

// Throws Error when something is at path already and force is not set.
void refuse_existing(const std::filesystem::path& path, bool force);

}  // namespace mt
