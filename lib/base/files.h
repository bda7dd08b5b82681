// Reading files whole, mapped or bounded; publishing files whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

// A file's bytes, mapped read only. Shared, so that tensors that borrow from it keep it alive.
class MappedFile {
 public:
  // Throws Error: missing, unreadable, a directory, not a regular file, empty.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  MappedFile() = default;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// Bytes of a MappedFile that have been used for now: their pages stop counting as this process's memory and come back
// from the system's cache when touched again. Does nothing to bytes that lie elsewhere.
void release_pages(std::span<const std::byte> bytes);

// The whole file, refused when larger than limit bytes. Works for pipes and devices too (reads until limit + 1).
std::vector<std::byte> read_file(const std::filesystem::path& path, std::uint64_t limit);
std::string read_text_file(const std::filesystem::path& path, std::uint64_t limit);
// Standard input likewise; name appears in errors.
std::vector<std::byte> read_stdin(std::uint64_t limit);

// An output file that appears whole under its final name or not at all: written under a temporary name beside the
// target (symbolic links are followed, so the link stays and its target is replaced), removed unless published.
class StagedFile {
 public:
  explicit StagedFile(const std::filesystem::path& target);
  ~StagedFile();
  StagedFile(const StagedFile&) = delete;
  StagedFile& operator=(const StagedFile&) = delete;

  const std::filesystem::path& path() const { return temporary_; }
  // Syncs, renames, syncs the directory. The file must have been closed. Throws Error; then the target is untouched.
  void publish();

 private:
  std::filesystem::path target_, temporary_;
  bool published_ = false;
};

// Removes what killed writers of target left behind: temporary files of StagedFile whose process runs no more. The
// caller knows (by a lock) that nobody on another machine writes target.
void remove_stale_staging(const std::filesystem::path& target);

// Writes all bytes to a descriptor, over partial writes and EINTR; throws Error naming where.
void write_all(int descriptor, std::span<const std::byte> bytes, std::string_view where);

// A small text or binary file through StagedFile.
void write_file(const std::filesystem::path& target, std::string_view contents);
// The pieces one after the other, likewise.
void write_file(const std::filesystem::path& target, std::span<const std::span<const std::byte>> pieces);

// Throws Error when the file system of path's directory has fewer than bytes free.
void require_space(const std::filesystem::path& path, std::uint64_t bytes);

}  // namespace mt
