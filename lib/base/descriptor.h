// A file descriptor that closes itself.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace mt {

class Descriptor {
 public:
  Descriptor() = default;
  // Takes over an open descriptor.
  explicit Descriptor(int id) : id_(id) {}
  // Opens path; throws Error("PATH: could not VERB: ...").
  Descriptor(const std::filesystem::path& path, int flags, std::string_view verb, mode_t mode = 0)
      : id_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {
    if (id_ < 0) throw system_error(path.string(), verb, errno);
  }
  Descriptor(Descriptor&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Descriptor() {
    if (id_ >= 0) ::close(id_);
  }
  int get() const { return id_; }

 private:
  int id_ = -1;
};

// An empty file without a name in a directory, for reading and writing: gone when closed, whatever happens.
Descriptor unnamed_file(const std::filesystem::path& directory);

}  // namespace mt
