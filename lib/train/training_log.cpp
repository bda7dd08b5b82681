#include "train/training_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"

namespace mt {

TrainingLog::TrainingLog(const std::filesystem::path& path, bool force, std::uint64_t keep_bytes) : path_(path) {
  descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw system_error(path.string(), "write", errno);
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw system_error(path.string(), "inspect", errno);
  const bool regular = S_ISREG(status.st_mode);  // /dev/stderr, a pipe: written, never cut
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (regular && size > 0 && keep_bytes == 0 && !force) {
    ::close(descriptor_);
    throw Error(path.string(), fmt::format("exists and holds {} bytes", size),
                "use another name, or --force to replace it");
  }
  if (!regular) return;
  bytes_ = std::min(size, keep_bytes);
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes_)) != 0 || ::lseek(descriptor_, 0, SEEK_END) < 0) {
    throw system_error(path.string(), "write", errno);
  }
}

TrainingLog::~TrainingLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void TrainingLog::write(const nlohmann::json& entry) {
  if (descriptor_ < 0) return;
  const std::string line = entry.dump() + "\n";
  write_all(descriptor_, std::as_bytes(std::span(line)), path_.string());
  bytes_ += line.size();
}

}  // namespace mt
