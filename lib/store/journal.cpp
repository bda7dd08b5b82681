#include "store/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

// False when another process holds the lock. File systems without locks let everyone through.
bool lock(int file, const std::string& where) {
  while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return false;
    if (errno == ENOSYS || errno == EOPNOTSUPP || errno == ENOLCK) return true;
    if (errno != EINTR) throw system_error(where, "lock", errno);
  }
  return true;
}

// The locked file that bears the name: whoever held the lock before may have removed what we opened.
Descriptor open_locked(const fs::path& path) {
  const std::string where = path.string();
  for (;;) {
    Descriptor file(path, O_RDWR | O_CREAT | O_APPEND | O_NONBLOCK, "create", 0666);
    struct stat opened {
    }, named{};
    if (::fstat(file.get(), &opened) != 0) throw system_error(where, "examine", errno);
    if (!S_ISREG(opened.st_mode)) throw Error(where, "is in the way: it is no regular file", "move it away");
    if (!lock(file.get(), where)) {
      throw Error(where, "is being written by another process", "wait for it, or write elsewhere");
    }
    if (::stat(path.c_str(), &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev)
      return file;
  }
}

void rewind(int file, const std::string& where) {
  if (::lseek(file, 0, SEEK_SET) != 0) throw system_error(where, "read", errno);
}

void truncate(int file, std::uint64_t size, const std::string& where) {
  if (::ftruncate(file, static_cast<off_t>(size)) != 0) throw system_error(where, "shorten", errno);
}

Schema without(Schema schema, const std::vector<std::string>& settings) {
  for (const std::string& setting : settings) schema.config.erase(setting);
  return schema;
}

nlohmann::json only(const nlohmann::json& config, const std::vector<std::string>& settings) {
  nlohmann::json some = nlohmann::json::object();
  for (const std::string& setting : settings) {
    if (config.contains(setting)) some[setting] = config[setting];
  }
  return some;
}

bool is_journal(int file) {
  std::array<char, 4> found{};
  const ssize_t size = ::pread(file, found.data(), found.size(), 0);
  return size >= 0 &&
         std::string_view("MT5S").starts_with(std::string_view(found.data(), static_cast<std::size_t>(size)));
}

}  // namespace

Journal::Journal(Descriptor file, fs::path path, std::string where, const Schema& schema)
    : file_(std::move(file)), path_(std::move(path)), where_(std::move(where)), schema_(schema) {}

Journal::Journal(Journal&& other) noexcept
    : file_(std::move(other.file_)),
      path_(std::exchange(other.path_, {})),
      where_(std::move(other.where_)),
      schema_(std::move(other.schema_)),
      sealed_(other.sealed_),
      frames_(other.frames_),
      stretches_(std::move(other.stretches_)),
      totals_(other.totals_),
      inputs_(other.inputs_),
      end_(other.end_),
      released_(other.released_) {}

Journal::~Journal() {
  if (!path_.empty() && !resumable()) ::unlink(path_.c_str());
}

Journal Journal::open(const fs::path& path, const Schema& schema, Existing existing, const Mixing& mixing) {
  const std::string where = path.string();
  Descriptor file = open_locked(path);
  if (!is_journal(file.get())) throw Error(where, "is in the way: it is no journal of ours", "move it away");
  Journal journal(std::move(file), {}, where, schema);  // without its name nothing is removed on failure
  if (existing == Existing::discard || !journal.holds_batches()) {
    journal.path_ = path;
    journal.begin();
    return journal;
  }
  if (existing == Existing::refuse) {
    throw Error(where, "is the journal of an interrupted run", "--resume goes on from it, --force starts again");
  }
  try {
    journal.go_on(mixing);
  } catch (const Error& error) {
    if (existing != Existing::resume_or_discard) throw;
    journal.begin();
  }
  journal.path_ = path;
  return journal;
}

Journal Journal::unnamed(const fs::path& directory, const Schema& schema, std::string where) {
  Journal journal(unnamed_file(directory), {}, std::move(where), schema);
  journal.begin();
  return journal;
}

void Journal::begin() {
  truncate(file_.get(), 0, where_);
  rewind(file_.get(), where_);
  sealed_ = frames_ = 0;
  stretches_.clear();
  totals_ = {};
  inputs_ = {};
  end_.reset();
  seal(FrameKind::header, header_image(schema_));
}

bool Journal::holds_batches() {
  rewind(file_.get(), where_);
  FrameSource source(file_.get(), where_);
  try {
    const std::optional<Frame> header = source.next();
    if (!header || header->kind != FrameKind::header) return false;
    const std::optional<Frame> first = source.next();
    return first && first->kind == FrameKind::batch;
  } catch (const DamagedFrame&) {
    return false;
  }
}

// A header begins the journal, and each run in it that had other settings than the one before.
void Journal::take_header(const Frame& frame, const Mixing& mixing) {
  Schema begun = schema_of_image(frame.image, where_);
  if (const std::string other = difference(without(begun, mixing.settings), without(schema_, mixing.settings));
      !other.empty()) {
    throw Error(where_, "was begun with other settings: " + other, "--force starts again");
  }
  nlohmann::json settings = only(begun.config, mixing.settings);
  stretches_.push_back({totals_.last_index + 1, std::move(begun), std::move(settings)});
}

// Takes over the sealed frames. Everything is read: the disk may have lost what a power failure interrupted.
void Journal::go_on(const Mixing& mixing) {
  rewind(file_.get(), where_);
  FrameSource source(file_.get(), where_);
  try {
    while (const std::optional<Frame> frame = source.next()) {
      throw_if_interrupted();
      if (frame->kind == FrameKind::header) {
        take_header(*frame, mixing);
      } else if (frame->kind == FrameKind::end) {
        end_ = end_of_image(frame->image, where_);
        break;  // sealed again when the run ends again
      } else {
        const BatchOfImage found = batch_of_image(frame->image, schema_, where_);
        totals_.add(found.batch);
        inputs_ = found.inputs;
      }
      sealed_ += frame->bytes();
      ++frames_;
    }
  } catch (const DamagedFrame&) {
    // The frame that was being written, and whatever follows it.
  }
  const std::string other = difference(stretches_.back().schema, schema_);
  if (!other.empty() && !mixing.allowed) {
    throw Error(where_, "was begun with other settings: " + other,
                "--allow-mixed goes on all the same, --force starts again");
  }
  truncate(file_.get(), sealed_, where_);
  if (other.empty()) return;
  stretches_.push_back({totals_.last_index + 1, schema_, only(schema_.config, mixing.settings)});
  seal(FrameKind::header, header_image(schema_));
}

Schema Journal::schema() const {
  Schema schema = schema_;
  if (stretches_.size() < 2) return schema;
  for (const Stretch& stretch : stretches_) {
    nlohmann::json entry = stretch.settings;
    entry["from"] = stretch.first_index;
    schema.config["mixed"].push_back(std::move(entry));
  }
  return schema;
}

void Journal::seal(FrameKind kind, std::span<const std::byte> image) {
  try {
    FrameSink(file_.get(), where_, frames_).write(kind, image);
  } catch (...) {
    [[maybe_unused]] const int ignored = ::ftruncate(file_.get(), static_cast<off_t>(sealed_));
    throw;
  }
  sealed_ += kFrameBytes + image.size();
  ++frames_;
}

void Journal::append(const Batch& batch, const Digest& inputs_so_far) {
  seal(FrameKind::batch, batch_image(batch, schema_, inputs_so_far));
  totals_.add(batch);
  inputs_ = inputs_so_far;
}

void Journal::append_end(const Digest& inputs) { seal(FrameKind::end, end_image(totals_, inputs)); }

bool Journal::can_release() const {
  // Asked for a byte behind the end, where there is nothing to lose.
  return ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(sealed_), 1) == 0;
}

void Journal::punch(std::uint64_t begin, std::uint64_t end) {
  // Best effort: a full disk is heard by whoever writes.
  [[maybe_unused]] const int ignored = ::fallocate(file_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                   static_cast<off_t>(begin), static_cast<off_t>(end - begin));
}

void Journal::replay(const std::function<void(const Batch&)>& use, bool release) {
  rewind(file_.get(), where_);
  FrameSource source(file_.get(), where_);
  Totals seen;
  std::uint64_t at = 0;
  while (const std::optional<Frame> frame = source.next()) {
    if (!release) throw_if_interrupted();
    if (frame->kind == FrameKind::batch) {
      const Batch batch = batch_of_image(frame->image, schema_, where_).batch;
      seen.add(batch);
      use(batch);
      if (release) {
        released_ = true;
        punch(at, at + frame->bytes());
      }
    }
    at += frame->bytes();
  }
  if (seen.samples != totals_.samples || seen.rejected != totals_.rejected) {
    throw Error(where_, fmt::format("holds {} samples, {} were sealed: it was changed meanwhile", seen.samples,
                                    totals_.samples));
  }
}

void Journal::remove() {
  if (path_.empty()) return;
  if (::unlink(path_.c_str()) != 0 && errno != ENOENT) throw system_error(where_, "remove", errno);
  path_.clear();
}

}  // namespace mt
