#include "store/sample_writer.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "store/columns.h"
#include "store/file_writer.h"
#include "store/journal.h"
#include "store/schema_io.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

// Frames to a pipe. What is sent is sent: nothing can be resumed.
class StreamWriter final : public SampleWriter {
 public:
  StreamWriter(Descriptor owned, int descriptor, const std::string& name, Schema schema)
      : owned_(std::move(owned)), schema_(std::move(schema)), sink_(descriptor, name) {
    sink_.write(FrameKind::header, header_image(schema_));
  }
  bool already_done() const override { return false; }
  std::int64_t resumed_samples() const override { return 0; }
  std::int64_t last_index() const override { return -1; }
  void write(const Batch& batch) override {
    require_batch(batch, schema_);
    sink_.write(FrameKind::batch, batch_image(batch, schema_, {}));
    totals_.add(batch);
  }
  void finish(const Digest& inputs) override { sink_.write(FrameKind::end, end_image(totals_, inputs)); }

 private:
  Descriptor owned_;  // empty for standard output
  Schema schema_;
  FrameSink sink_;
  Totals totals_;
};

// The output exists already: everything that would be written is there.
class DoneWriter final : public SampleWriter {
 public:
  bool already_done() const override { return true; }
  std::int64_t resumed_samples() const override { return 0; }
  std::int64_t last_index() const override { return -1; }
  void write(const Batch&) override { throw std::logic_error("the output is already done"); }
  void finish(const Digest&) override {}
};

// A journal first, one plain HDF5 file of it at the end.
class JournaledWriter : public SampleWriter {
 public:
  JournaledWriter(Journal journal, std::string name, Schema schema, int compression)
      : journal_(std::move(journal)), name_(std::move(name)), schema_(std::move(schema)), compression_(compression) {}
  bool already_done() const override { return false; }
  std::int64_t resumed_samples() const override { return resumed_samples_; }
  std::int64_t last_index() const override { return journal_.totals().last_index; }
  Digest resumed_inputs() const override { return resumed_inputs_; }
  std::string journal() const override { return journal_.resumable() ? journal_.path().string() : std::string(); }
  void remember_inputs(const Digest& so_far) override { inputs_so_far_ = so_far; }
  void write(const Batch& batch) override {
    require_batch(batch, schema_);
    if (batch.samples() + batch.rejected.size() > 0) journal_.append(batch, inputs_so_far_);
  }

 protected:
  // Writes the HDF5 file to path. release: give the journal's space back meanwhile.
  void convert(const fs::path& path, const Digest& inputs, bool release) {
    FileWriter writer(path, name_, journal_.schema(), journal_.totals(), compression_);
    journal_.replay([&](const Batch& batch) { writer.add(batch); }, release);
    writer.finish(inputs);
  }

  Journal journal_;
  std::string name_;
  Schema schema_;

 private:
  int compression_;
  std::int64_t resumed_samples_ = journal_.totals().samples;
  Digest resumed_inputs_ = journal_.inputs(), inputs_so_far_ = resumed_inputs_;
};

class NamedWriter final : public JournaledWriter {
 public:
  using JournaledWriter::JournaledWriter;
  void finish(const Digest& inputs) override {
    journal_.append_end(inputs);
    const bool release = must_release();
    StagedFile staged(name_);
    convert(staged.path(), inputs, release);
    staged.publish();
    journal_.remove();
  }

 private:
  // True when there is room for the file only if the journal shrinks meanwhile. Throws Error when not even then.
  bool must_release() const {
    const std::uint64_t needed = file_bytes(schema_, journal_.totals());
    try {
      require_space(name_, needed);
      return false;
    } catch (const Error&) {
      if (!journal_.can_release()) throw;
      require_space(name_, needed - std::min(needed, journal_.bytes()) + kSlack);
      return true;
    }
  }
  // Chunks and metadata that are on the disk before the frames they come from are released.
  static constexpr std::uint64_t kSlack = std::uint64_t{64} << 20;
};

// "> x.h5": the file is open already, and HDF5 opens it once more to seek in it.
class StandardOutputWriter final : public JournaledWriter {
 public:
  using JournaledWriter::JournaledWriter;
  void finish(const Digest& inputs) override {
    try {
      convert("/proc/self/fd/1", inputs, false);
      if (::fsync(STDOUT_FILENO) != 0 && errno != EINVAL) throw system_error(name_, "write", errno);
    } catch (...) {
      [[maybe_unused]] const int ignored = ::ftruncate(STDOUT_FILENO, 0);  // absent rather than half
      throw;
    }
    ::lseek(STDOUT_FILENO, 0, SEEK_END);
  }
};

std::unique_ptr<SampleWriter> create_on_standard_output(Schema schema, const WriteOptions& options) {
  const std::string name = "standard output";
  if (options.resume) throw UsageError(name, "cannot be resumed", "give a file with -o");
  struct stat status {};
  if (::fstat(STDOUT_FILENO, &status) != 0) throw system_error(name, "write", errno);
  if (::isatty(STDOUT_FILENO) != 0) {
    throw UsageError(name, "is a terminal, which binary data would garble", "-o FILE, or pipe it into another program");
  }
  if (!S_ISREG(status.st_mode))
    return std::make_unique<StreamWriter>(Descriptor(), STDOUT_FILENO, name, std::move(schema));
  if (status.st_size != 0) {
    throw Error(name, fmt::format("is a file that holds {} bytes already", status.st_size),
                "give an empty one, or -o FILE");
  }
  // Beside the file where that can be, since there the space is meant to be.
  std::error_code error;
  const fs::path target = fs::read_symlink("/proc/self/fd/1", error);
  Journal journal = [&] {
    try {
      return Journal::unnamed(target.parent_path(), schema, name);
    } catch (const Error&) {
      return Journal::unnamed(fs::temp_directory_path(), schema, name);
    }
  }();
  return std::make_unique<StandardOutputWriter>(std::move(journal), name, std::move(schema), options.compression);
}

// What an existing output says of itself; nullopt with a reason when it is no whole sample file.
struct Found {
  std::optional<Schema> schema;
  Digest inputs{};
  std::string reason;
};
Found examine(const std::string& name) {
  Found found;
  try {
    const h5::Lock lock;
    const h5::File file = h5::open_file(name);
    found.inputs = read_inputs(file.get(), name);
    found.schema = read_schema(file.get(), name);
  } catch (const Error& error) {
    found.reason = error.why();
  }
  return found;
}

// Removes the journal of a run that was killed between publishing its file and removing its journal; false when there
// is none whose end has these inputs.
bool remove_finished_journal(const fs::path& path, const Schema& schema, const Digest& inputs) {
  std::error_code error;
  if (!fs::exists(path, error)) return false;
  try {
    Journal journal = Journal::open(path, schema, Existing::resume);
    if (!journal.end() || journal.end()->inputs != inputs) return false;
    journal.remove();
    return true;
  } catch (const Error&) {
    return false;  // in use, or of other settings: not what we look for
  }
}

// An existing output: a writer when it is what would be written, Error otherwise.
std::unique_ptr<SampleWriter> settle_existing(const std::string& name, const fs::path& journal_path,
                                              const Schema& schema, const WriteOptions& options) {
  const Found found = examine(name);
  std::string why = found.schema ? difference(*found.schema, schema) : found.reason;
  if (why.empty()) {
    const bool told = found.inputs != Digest{};
    const bool known = told && options.inputs && *options.inputs != Digest{};
    const bool equal = known && *options.inputs == found.inputs;
    const bool finished =
        told && (equal || options.resume) && remove_finished_journal(journal_path, schema, found.inputs);
    if (equal || finished) return std::make_unique<DoneWriter>();
    why = known ? "it was made from other inputs" : "whether its inputs are the same is not known";
  }
  throw Error(name, "exists already: " + why, "--force replaces it");
}

Existing journal_policy(const WriteOptions& options) {
  if (options.resume) return options.force ? Existing::resume_or_discard : Existing::resume;
  return options.force ? Existing::discard : Existing::refuse;
}

}  // namespace

std::unique_ptr<SampleWriter> SampleWriter::create(const std::string& name, Schema schema, WriteOptions options) {
  if (name.empty()) throw UsageError("--output", "is empty", "give a file name, or - for standard output");
  schema = as_stored(std::move(schema));
  if (name == "-") return create_on_standard_output(std::move(schema), options);
  struct stat status {};
  const bool exists = ::stat(name.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode)) throw Error(name, "is a directory", "give a file name");
  if (exists && !S_ISREG(status.st_mode)) {
    if (options.resume) throw UsageError(name, "is no regular file and cannot be resumed");
    Descriptor pipe(name, O_WRONLY, "open");
    if (::isatty(pipe.get()) != 0) throw UsageError(name, "is a terminal, which binary data would garble");
    const int descriptor = pipe.get();
    return std::make_unique<StreamWriter>(std::move(pipe), descriptor, name, std::move(schema));
  }
  const fs::path path(name), journal_path(name + ".part");
  std::error_code error;
  if (const fs::path parent = path.parent_path(); !parent.empty() && !fs::is_directory(parent, error)) {
    throw Error(name, fmt::format("the directory {} does not exist", parent.string()), "create it first");
  }
  if (exists && !options.force) {
    // Throws unless there is nothing to do.
    return settle_existing(name, journal_path, schema, options);
  }
  if (options.expected_bytes > 0) require_space(path, options.expected_bytes);
  Journal journal = options.resumable
                        ? Journal::open(journal_path, schema, journal_policy(options), options.mixing)
                        : Journal::unnamed(path.has_parent_path() ? path.parent_path() : fs::path("."), schema, name);
  remove_stale_staging(path);
  return std::make_unique<NamedWriter>(std::move(journal), name, std::move(schema), options.compression);
}

}  // namespace mt
