#include "base/text_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"

namespace mt {

void refuse_existing(const std::filesystem::path& path, bool force) {
  std::error_code ignored;
  if (!force && std::filesystem::exists(path, ignored))
    throw Error(path.string(), "exists already", "use --force to replace it");
}

TextOutput::TextOutput(const std::string& name, bool force) : name_(name == "-" ? "standard output" : name) {
  if (name == "-") {
    descriptor_ = STDOUT_FILENO;
    return;
  }
  refuse_existing(name, force);
  staged_ = std::make_unique<StagedFile>(name);
  descriptor_ = ::open(staged_->path().c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  if (descriptor_ < 0) throw system_error(name_, "open", errno);
}

TextOutput::~TextOutput() {
  if (staged_ && descriptor_ >= 0) ::close(descriptor_);
}

void TextOutput::flush() {
  write_all(descriptor_, std::as_bytes(std::span(buffer_.data(), buffer_.size())), name_);
  buffer_.clear();
}

void TextOutput::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= (std::size_t{1} << 18)) flush();
}

void TextOutput::publish() {
  flush();
  if (!staged_) return;
  if (::close(std::exchange(descriptor_, -1)) != 0) throw system_error(name_, "close", errno);
  staged_->publish();
}

}  // namespace mt
