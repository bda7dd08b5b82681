// An output in progress: a stream of frames in a locked file, from which an interrupted run goes on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/descriptor.h"
#include "base/digest.h"
#include "store/batch.h"
#include "store/frames.h"
#include "store/images.h"
#include "store/schema.h"

namespace mt {

enum class Existing : std::uint8_t { refuse, resume, discard, resume_or_discard };

class Journal {
 public:
  // Opens and locks path. What it does with a journal that holds sealed frames, existing says; one that holds none (a
  // run killed before its first frame) is begun again, a file that is no journal is never touched. A torn last frame is
  // cut off. Throws Error.
  static Journal open(const std::filesystem::path& path, const Schema& schema, Existing existing,
                      const Mixing& mixing = {});
  // In a file without a name, for what cannot be resumed; where: its name in errors.
  static Journal unnamed(const std::filesystem::path& directory, const Schema& schema, std::string where);

  // A journal without sealed frames is removed, every other one stays.
  ~Journal();
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;

  // As it was given; when runs were mixed, mt_config lists under "mixed" from which /index on which settings held.
  Schema schema() const;
  const Totals& totals() const { return totals_; }
  const Digest& inputs() const { return inputs_; }        // as the last batch frame has them
  const std::optional<End>& end() const { return end_; }  // a run was interrupted after its last batch
  bool resumable() const { return !path_.empty() && !released_ && totals_.samples + totals_.rejected > 0; }
  const std::filesystem::path& path() const { return path_; }

  // Both seal one frame, or throw Error and leave the journal as it was.
  void append(const Batch& batch, const Digest& inputs_so_far);
  void append_end(const Digest& inputs);

  // Calls use with each sealed batch in order. release: gives each frame's blocks back to the disk after its use; then
  // nothing can be resumed, and nothing interrupts.
  void replay(const std::function<void(const Batch&)>& use, bool release);
  bool can_release() const;  // the file system knows how
  std::uint64_t bytes() const { return sealed_; }
  void remove();

 private:
  Journal(Descriptor file, std::filesystem::path path, std::string where, const Schema& schema);
  void begin();
  void go_on(const Mixing& mixing);
  void take_header(const Frame& frame, const Mixing& mixing);
  bool holds_batches();
  void seal(FrameKind kind, std::span<const std::byte> image);
  void punch(std::uint64_t begin, std::uint64_t end);

  Descriptor file_;
  std::filesystem::path path_;  // empty: unnamed
  std::string where_;
  Schema schema_;
  std::uint64_t sealed_ = 0;  // bytes of sealed frames
  std::uint32_t frames_ = 0;
  struct Stretch {
    std::int64_t first_index = 0;
    Schema schema;
    nlohmann::json settings;  // those of Mixing
  };
  std::vector<Stretch> stretches_;  // one, unless runs were mixed
  Totals totals_;
  Digest inputs_{};
  std::optional<End> end_;
  bool released_ = false;  // frames were given back to the disk
};

}  // namespace mt
