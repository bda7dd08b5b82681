#include "evaluate/score_spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/error.h"

namespace mt {

namespace fs = std::filesystem;

ScoreSpool::ScoreSpool(std::size_t columns, fs::path directory, std::size_t memory_limit)
    : columns_(columns), limit_(std::max(memory_limit / sizeof(float), columns)), directory_(std::move(directory)) {}

void ScoreSpool::add(std::span<const float> row) {
  if (row.size() != columns_) throw std::logic_error("ScoreSpool: another number of columns");
  if (memory_.size() + columns_ > limit_) spill();
  memory_.insert(memory_.end(), row.begin(), row.end());
  ++rows_;
}

void ScoreSpool::spill() {
  const std::string where = directory_.string();
  if (!file_) {
    std::string name = (directory_ / "mt-scores-XXXXXX").string();
    const int descriptor = ::mkostemp(name.data(), O_CLOEXEC);
    if (descriptor < 0)
      throw system_error(where, "create a temporary file", errno, "set TMPDIR to a writable directory");
    ::unlink(name.c_str());  // gone with the process, however it ends
    file_.reset(::fdopen(descriptor, "w+b"));
    if (!file_) {
      ::close(descriptor);
      throw system_error(where, "open a temporary file", errno);
    }
  }
  if (std::fwrite(memory_.data(), sizeof(float), memory_.size(), file_.get()) != memory_.size() ||
      std::fflush(file_.get()) != 0) {
    throw system_error(where, "keep the scores in a temporary file", errno, "free some space or set TMPDIR");
  }
  memory_.clear();
}

void ScoreSpool::for_each(const std::function<void(std::size_t, std::span<const float>)>& visit) {
  std::size_t row = 0;
  const auto show = [&](std::span<const float> values) {
    for (std::size_t i = 0; i < values.size(); i += columns_) visit(row++, values.subspan(i, columns_));
  };
  if (file_) {
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0)
      throw system_error(directory_.string(), "read the scores back", errno);
    const std::size_t stored = rows_ - memory_.size() / columns_;
    const std::size_t step = std::max<std::size_t>(1, (std::size_t{1} << 18) / columns_);
    std::vector<float> block;
    for (std::size_t done = 0; done < stored;) {
      block.resize(std::min(step, stored - done) * columns_);
      if (std::fread(block.data(), sizeof(float), block.size(), file_.get()) != block.size()) {
        throw system_error(directory_.string(), "read the scores back", errno == 0 ? EIO : errno);
      }
      show(block);
      done += block.size() / columns_;
    }
    if (std::fseek(file_.get(), 0, SEEK_END) != 0)
      throw system_error(directory_.string(), "read the scores back", errno);
  }
  show(memory_);
}

}  // namespace mt
