#include "store/sample_reader.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "store/file_reader.h"
#include "store/file_shard.h"
#include "store/stream_reader.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kSignatureBytes = 8;

// Up to size bytes; fewer only at the end.
std::vector<std::byte> read_bytes(int descriptor, std::size_t size, const std::string& name) {
  std::vector<std::byte> bytes(size);
  std::size_t filled = 0;
  while (filled < size) {
    throw_if_interrupted();
    const ssize_t got = ::read(descriptor, bytes.data() + filled, size - filled);
    if (got == 0) break;
    if (got < 0 && errno != EINTR) throw system_error(name, "read", errno);
    filled += static_cast<std::size_t>(std::max<ssize_t>(got, 0));
  }
  bytes.resize(filled);
  return bytes;
}

[[noreturn]] void not_ours(const std::string& name, const std::vector<std::byte>& first_bytes) {
  if (first_bytes.empty()) throw Error(name, "is empty", "see why the program that wrote it stopped");
  throw Error(name, "is neither HDF5 nor a stream of frames", "mt-tokenize turns raw data into tokens");
}

std::uint64_t free_bytes(const fs::path& directory) {
  struct statvfs status {};
  if (::statvfs(directory.c_str(), &status) != 0) return 0;
  return std::uint64_t{status.f_bavail} * status.f_frsize;
}

// A file that is gone with this object. HDF5 opens by name, so it needs one.
class TemporaryFile {
 public:
  TemporaryFile()
      : path_((fs::temp_directory_path() / "mt-spool-XXXXXX").string()), file_(::mkostemp(path_.data(), O_CLOEXEC)) {
    if (file_.get() < 0) throw system_error(path_, "create", errno);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  int get() const { return file_.get(); }

 private:
  std::string path_;
  Descriptor file_;
};

// HDF5 seeks, a pipe cannot: its bytes go to a temporary file, which may take half of what is free there.
std::unique_ptr<SampleReader> read_spooled(int pipe, std::vector<std::byte> block, const std::string& name) {
  const TemporaryFile file;
  const fs::path directory = fs::path(file.path()).parent_path();
  const std::uint64_t limit = free_bytes(directory) / 2;
  for (std::uint64_t total = 0; !block.empty(); block = read_bytes(pipe, std::size_t{1} << 20, name)) {
    total += block.size();
    if (total > limit) {
      throw Error(
          name,
          fmt::format("holds more HDF5 than {}, half of what is free in {}", human_bytes(limit), directory.string()),
          "save it as a file and name that, or set TMPDIR");
    }
    write_all(file.get(), block, directory.string());
  }
  return std::make_unique<FileReader>(file.path(), name, false);  // which keeps it open without its name
}

// Any descriptor: a pipe, a terminal's, a file that is standard input.
std::unique_ptr<SampleReader> open_descriptor(Descriptor descriptor, const std::string& name) {
  if (::isatty(descriptor.get()) != 0) {
    throw UsageError(name, "is a terminal; tokens and features come from a file or a pipe");
  }
  struct stat status {};
  const bool regular = ::fstat(descriptor.get(), &status) == 0 && S_ISREG(status.st_mode);
  if (S_ISDIR(status.st_mode)) throw Error(name, "is a directory, not a file");
  std::vector<std::byte> first_bytes = read_bytes(descriptor.get(), kSignatureBytes, name);
  if (begins_a_frame(first_bytes)) {
    return std::make_unique<StreamReader>(std::move(descriptor), name, std::move(first_bytes));
  }
  if (!h5::has_hdf5_signature(first_bytes)) not_ours(name, first_bytes);
  if (!regular) return read_spooled(descriptor.get(), std::move(first_bytes), name);
  return std::make_unique<FileReader>(fmt::format("/proc/self/fd/{}", descriptor.get()), name, false);
}

// A path: a file or whatever else can be opened by name.
std::unique_ptr<SampleReader> open_path(const std::string& name) {
  Descriptor file(name, O_RDONLY, "open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return open_descriptor(std::move(file), name);
  std::vector<std::byte> first_bytes = read_bytes(file.get(), kSignatureBytes, name);
  if (begins_a_frame(first_bytes)) {
    return std::make_unique<StreamReader>(std::move(file), name, std::move(first_bytes));
  }
  if (!h5::has_hdf5_signature(first_bytes)) not_ours(name, first_bytes);
  return std::make_unique<FileReader>(name, name, true);
}

std::unique_ptr<SampleReader> open_standard_input(const std::string& name) {
  const int copy = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) throw system_error(name, "open", errno);
  return open_descriptor(Descriptor(copy), name);
}

}  // namespace

std::unique_ptr<SampleReader> SampleReader::open(const std::string& name) {
  const std::string shown = name == "-" ? "standard input" : name;
  std::unique_ptr<SampleReader> reader = name == "-" ? open_standard_input(shown) : open_path(name);
  reader->name_ = shown;
  return reader;
}

std::unique_ptr<SampleReader> SampleReader::open_shard(const std::string& name, std::size_t shard, std::size_t shards) {
  std::unique_ptr<SampleReader> reader = open(name);
  if (shards > 1) {
    const std::string shown = reader->name();
    reader = std::make_unique<FileShard>(std::move(reader), shard, shards);
    reader->name_ = shown;
  }
  return reader;
}

bool knows_inputs(const SampleReader& reader) { return reader.inputs() != Digest{} || reader.samples() == 0; }

Digest joint_inputs(std::span<const std::unique_ptr<SampleReader>> readers) {
  SetDigest sum;
  for (const auto& reader : readers) {
    if (!knows_inputs(*reader)) return {};
    sum.add(SetDigest::from(reader->inputs()));
  }
  return sum.value();
}

}  // namespace mt
