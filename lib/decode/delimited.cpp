#include "decode/delimited.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr int kEnd = -1;
constexpr std::size_t kBuffer = std::size_t{1} << 16;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

struct DelimitedReader::File {
  explicit File(const std::filesystem::path& path) : descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor < 0) throw system_error(path.string(), "open", errno);
    struct stat status {};
    if (::fstat(descriptor, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(descriptor);
      throw Error(path.string(), "is a directory, not a file");
    }
  }
  ~File() { ::close(descriptor); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int descriptor;
};

DelimitedReader::DelimitedReader(const std::filesystem::path& path, DelimitedOptions options)
    : options_(options), where_(path.string()), file_(std::make_unique<File>(path)), buffer_(kBuffer) {}

DelimitedReader::DelimitedReader(std::string_view text, std::string where, DelimitedOptions options)
    : options_(options), where_(std::move(where)), at_(text.data()), end_(text.data() + text.size()) {}

DelimitedReader::~DelimitedReader() = default;

std::string DelimitedReader::where() const { return fmt::format("{}: line {}", where_, record_line_); }

// More bytes behind those that are left; false at the end.
bool DelimitedReader::fill() {
  if (!file_) return false;
  throw_if_interrupted();
  for (;;) {
    const ssize_t got = ::read(file_->descriptor, buffer_.data(), buffer_.size());
    if (got < 0 && errno == EINTR) {
      throw_if_interrupted();
      continue;
    }
    if (got < 0) throw system_error(where_, "read", errno);
    at_ = buffer_.data();
    end_ = at_ + got;
    return got > 0;
  }
}

int DelimitedReader::peek() {
  if (at_ == end_ && !fill()) return kEnd;
  return static_cast<unsigned char>(*at_);
}

int DelimitedReader::take() {
  const int c = peek();
  if (c == kEnd) return c;
  ++at_;
  if (c == '\n') ++line_;
  if (++record_bytes_ > options_.max_record) {
    throw Error(where(), fmt::format("is longer than {}", human_bytes(options_.max_record)), "is this delimited text?");
  }
  return c;
}

// Looks at the first line as far as the first buffer holds it, and skips the byte order mark.
void DelimitedReader::choose_separator() {
  started_ = true;
  if (peek() == kEnd) return;
  if (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(kByteOrderMark))
    at_ += kByteOrderMark.size();
  if (options_.separator != '\0') return;
  const char* const line_end = std::find(at_, end_, '\n');
  options_.separator = ',';
  for (const char candidate : {'\t', ';'}) {
    if (std::count(at_, line_end, candidate) > std::count(at_, line_end, options_.separator))
      options_.separator = candidate;
  }
}

// Behind an opening quote, up to behind the closing one.
void DelimitedReader::read_quoted(std::string& field) {
  for (;;) {
    const int c = take();
    if (c == kEnd)
      throw Error(where(), "opens a quote that never ends", "close it, or double the quotes within fields");
    if (c != '"') {
      field += static_cast<char>(c);
    } else if (peek() == '"') {
      field += static_cast<char>(take());
    } else {
      const int next = peek();
      if (next == kEnd || next == '\n' || next == '\r' || next == static_cast<unsigned char>(options_.separator))
        return;
      throw Error(where(), "has text behind a closing quote", "double the quotes within fields");
    }
  }
}

bool DelimitedReader::next(std::vector<std::string>& fields) {
  if (!started_) choose_separator();
  fields.clear();
  while (peek() == '\n' || peek() == '\r') {
    record_bytes_ = 0;
    take();
  }
  if (peek() == kEnd) return false;
  record_line_ = line_;
  record_bytes_ = 0;
  fields.emplace_back();
  bool field_starts = true;
  for (;;) {
    const int c = take();
    if (c == kEnd || c == '\n') break;
    if (c == '\r' && (peek() == '\n' || peek() == kEnd)) continue;
    if (c == static_cast<unsigned char>(options_.separator)) {
      fields.emplace_back();
      field_starts = true;
      continue;
    }
    if (c == '"' && field_starts && options_.quotes)
      read_quoted(fields.back());
    else
      fields.back() += static_cast<char>(c);
    field_starts = false;
  }
  if (width_ == 0) width_ = fields.size();
  if (options_.same_width && fields.size() != width_) {
    throw Error(where(), fmt::format("has {} fields, the first line has {}", fields.size(), width_),
                "correct the line");
  }
  return true;
}

std::size_t column_named(const std::vector<std::string>& header, std::string_view name, std::string_view where) {
  const auto found = std::find(header.begin(), header.end(), name);
  if (found != header.end()) return static_cast<std::size_t>(found - header.begin());
  const std::string near = nearest(name, header);
  std::string columns;
  for (std::size_t i = 0; i < std::min<std::size_t>(header.size(), 8); ++i) columns += (i == 0 ? "" : ", ") + header[i];
  if (header.size() > 8) columns += ", ...";
  throw Error(where, fmt::format("has no column \"{}\", its columns are: {}", name, columns),
              near.empty() ? "name the column" : fmt::format("did you mean \"{}\"?", near));
}

}  // namespace mt
