#include "base/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace mt {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;

}  // namespace

Spool::Spool(std::filesystem::path directory) : directory_(std::move(directory)) {}

void Spool::append(std::span<const std::byte> bytes) {
  const std::string where = directory_.string();
  if (!file_) {
    std::string name = (directory_ / ".mt-spool-XXXXXX").string();
    const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor < 0) throw system_error(where, "create a temporary file", errno, "it must be writable");
    ::unlink(name.c_str());
    file_.reset(::fdopen(descriptor, "w+b"));
    if (!file_) {
      const int reason = errno;
      ::close(descriptor);
      throw system_error(where, "open a temporary file", reason);
    }
  }
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    throw system_error(where, "write a temporary file", errno == 0 ? EIO : errno, "free some space");
  }
  size_ += bytes.size();
}

void Spool::for_each_block(std::size_t unit, const std::function<void(std::span<const std::byte>)>& visit) {
  if (size_ % unit != 0) throw std::logic_error("Spool: not a multiple of the unit");
  if (!file_) return;
  // fflush before turning to reading, a seek before turning back to writing: both as the C standard asks.
  if (std::fflush(file_.get()) != 0) throw system_error(directory_.string(), "write a temporary file", errno);
  if (std::fseek(file_.get(), 0, SEEK_SET) != 0)
    throw system_error(directory_.string(), "read a temporary file", errno);
  std::vector<std::byte> block;
  for (std::uint64_t done = 0; done < size_; done += block.size()) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(size_ - done, std::max(unit, kBlock / unit * unit))));
    if (std::fread(block.data(), 1, block.size(), file_.get()) != block.size()) {
      throw system_error(directory_.string(), "read a temporary file", errno == 0 ? EIO : errno);
    }
    visit(block);
  }
  if (std::fseek(file_.get(), 0, SEEK_END) != 0)
    throw system_error(directory_.string(), "read a temporary file", errno);
}

}  // namespace mt
