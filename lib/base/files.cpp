#include "base/files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>
#include <map>
#include <mutex>

#include <fmt/format.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

std::vector<std::byte> read_descriptor(int descriptor, std::string_view where, std::uint64_t limit) {
  std::vector<std::byte> bytes;
  struct stat status {};
  if (::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode)) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > limit) {
      throw Error(where, fmt::format("is {} large, the limit is {}", human_bytes(size), human_bytes(limit)));
    }
    bytes.reserve(size + 1);
  }
  for (;;) {
    throw_if_interrupted();
    const std::size_t old = bytes.size();
    const std::size_t step =
        std::min<std::uint64_t>(std::max<std::size_t>(std::size_t{1} << 16, bytes.capacity() - old), limit + 1 - old);
    bytes.resize(old + step);
    const ssize_t got = ::read(descriptor, bytes.data() + old, step);
    if (got < 0 && errno != EINTR) throw system_error(where, "read", errno);
    bytes.resize(old + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return bytes;
    if (bytes.size() > limit) throw Error(where, fmt::format("is larger than {}", human_bytes(limit)));
  }
}

void sync_path(const fs::path& path, int flags) {
  const Descriptor file(path, flags, "open");
  // Some file systems refuse to sync directories; the rename itself is still atomic there.
  if (::fsync(file.get()) != 0 && errno != EINVAL && errno != EROFS) throw system_error(path.string(), "sync", errno);
}

fs::path parent_of(const fs::path& path) { return path.has_parent_path() ? path.parent_path() : fs::path("."); }

fs::path resolved(const fs::path& target) {
  std::error_code error;
  fs::path path = target;
  for (int depth = 0; depth < 40 && fs::is_symlink(fs::symlink_status(path, error)); ++depth) {
    const fs::path link = fs::read_symlink(path, error);
    if (error) break;
    path = link.is_absolute() ? link : parent_of(path) / link;
  }
  return path;
}

// Where files are mapped, so that release_pages never touches other memory, whose content would be lost.
class Mappings {
 public:
  static Mappings& all() {
    static Mappings mappings;
    return mappings;
  }
  void add(std::span<const std::byte> bytes) {
    const std::lock_guard lock(mutex_);
    ends_.emplace(bytes.data(), bytes.data() + bytes.size());
  }
  void remove(const std::byte* begin) {
    const std::lock_guard lock(mutex_);
    ends_.erase(begin);
  }
  bool hold(std::span<const std::byte> bytes) const {
    const std::lock_guard lock(mutex_);
    auto after = ends_.upper_bound(bytes.data());
    return after != ends_.begin() && bytes.data() + bytes.size() <= std::prev(after)->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<const std::byte*, const std::byte*> ends_;  // of each file's bytes, by their begin
};

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const fs::path& path) {
  const Descriptor file(path, O_RDONLY | O_NONBLOCK, "open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) throw system_error(path.string(), "examine", errno);
  if (S_ISDIR(status.st_mode)) throw Error(path.string(), "is a directory, not a file");
  if (!S_ISREG(status.st_mode)) throw Error(path.string(), "is not a regular file");
  if (status.st_size == 0) throw Error(path.string(), "is empty");
  std::shared_ptr<MappedFile> mapped(new MappedFile);
  void* data = ::mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (data == MAP_FAILED) throw system_error(path.string(), "map", errno);
  mapped->data_ = static_cast<const std::byte*>(data);
  mapped->size_ = static_cast<std::size_t>(status.st_size);
  Mappings::all().add(mapped->bytes());
  return mapped;
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  Mappings::all().remove(data_);
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void release_pages(std::span<const std::byte> bytes) {
  if (!Mappings::all().hold(bytes)) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(bytes.data()) + page - 1) / page * page;
  const std::uintptr_t end = reinterpret_cast<std::uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

std::vector<std::byte> read_file(const fs::path& path, std::uint64_t limit) {
  const Descriptor file(path, O_RDONLY, "open");
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    throw Error(path.string(), "is a directory, not a file");
  }
  return read_descriptor(file.get(), path.string(), limit);
}

std::string read_text_file(const fs::path& path, std::uint64_t limit) {
  const std::vector<std::byte> bytes = read_file(path, limit);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> read_stdin(std::uint64_t limit) {
  return read_descriptor(STDIN_FILENO, "standard input", limit);
}

namespace {

// ".NAME.PROCESS.COUNT.tmp" without what comes after the first dot behind NAME.
std::string staging_prefix(const fs::path& target) { return "." + target.filename().string().substr(0, 200) + "."; }

}  // namespace

StagedFile::StagedFile(const fs::path& target) : target_(resolved(target)) {
  static std::atomic<unsigned> counter{0};
  std::error_code error;
  if (fs::is_directory(target_, error)) throw Error(target.string(), "is a directory (give a file name)");
  const fs::path directory = parent_of(target_);
  if (!fs::is_directory(directory, error)) {
    throw Error(target.string(), fmt::format("the directory {} does not exist", directory.string()), "create it first");
  }
  // Host names are left out: process numbers differ between the writers of one machine, and writers of two machines
  // meet only on a shared file system, where O_EXCL decides.
  for (;;) {
    temporary_ = directory / fmt::format("{}{}.{}.tmp", staging_prefix(target_), ::getpid(), counter++);
    const int file = ::open(temporary_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (file >= 0) {
      ::close(file);
      return;
    }
    if (errno != EEXIST) throw system_error(target.string(), "create", errno);
  }
}

StagedFile::~StagedFile() {
  std::error_code ignored;
  if (!published_) fs::remove(temporary_, ignored);
}

void StagedFile::publish() {
  sync_path(temporary_, O_RDONLY);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) throw system_error(target_.string(), "publish", errno);
  published_ = true;
  sync_path(parent_of(target_), O_RDONLY | O_DIRECTORY);
}

void remove_stale_staging(const fs::path& given) {
  const fs::path target = resolved(given);
  const std::string prefix = staging_prefix(target);
  std::error_code error;
  for (fs::directory_iterator it(parent_of(target), error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(".tmp")) continue;
    const std::vector<std::string_view> parts = split(std::string_view(name).substr(prefix.size()), '.');
    const std::optional<std::int64_t> process = parts.size() == 3 ? parse_int(parts[0]) : std::nullopt;
    if (!process || *process <= 0 || *process > INT32_MAX || !parse_int(parts[1])) continue;
    std::error_code ignored;
    if (::kill(static_cast<pid_t>(*process), 0) != 0 && errno == ESRCH) fs::remove(it->path(), ignored);
  }
}

void write_all(int descriptor, std::span<const std::byte> bytes, std::string_view where) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) {
      throw_if_interrupted();
      continue;
    }
    if (written < 0) throw system_error(where, "write", errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void write_file(const fs::path& target, std::string_view contents) {
  const auto piece = std::as_bytes(std::span(contents.data(), contents.size()));
  write_file(target, std::span(&piece, 1));
}

void write_file(const fs::path& target, std::span<const std::span<const std::byte>> pieces) {
  StagedFile staged(target);
  {
    const Descriptor file(staged.path(), O_WRONLY | O_TRUNC, "open");
    for (const auto piece : pieces) {
      throw_if_interrupted();
      write_all(file.get(), piece, target.string());
    }
  }
  staged.publish();
}

void require_space(const fs::path& path, std::uint64_t bytes) {
  struct statvfs status {};
  const fs::path directory = parent_of(resolved(path));
  if (::statvfs(directory.c_str(), &status) != 0) return;  // unknown: the write itself will tell
  const std::uint64_t available = std::uint64_t{status.f_bavail} * status.f_frsize;
  if (available < bytes) {
    throw Error(path.string(),
                fmt::format("needs {}, {} has {} free", human_bytes(bytes), directory.string(), human_bytes(available)),
                "free some space or write elsewhere");
  }
}

}  // namespace mt
