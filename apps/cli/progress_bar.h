// One line on standard error for people; plain lines now and then for log files.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "base/progress.h"
#include "cli/common_options.h"

namespace mt::cli {

// "encode  31 204 / 50 000 samples   412/s   eta 46s   2 rejected": only on a terminal, at most ten times a second,
// gone when done; elsewhere one line every 30 s. finish() prints the summary line unless quiet.
class ProgressBar : public Progress {
 public:
  // unit: what advance() counts.
  ProgressBar(std::string program, std::string verb, const CommonOptions& options, std::string unit = "samples");
  ~ProgressBar() override;

  void total(std::int64_t samples) override;
  void advance(std::int64_t samples, std::int64_t rejected) override;
  void note(std::string_view message) override;
  void warn(std::string_view message) override;

  // Erases the line and prints "program: N UNIT in S s (R/s), J rejected -> OUTPUT".
  void finish(const std::string& output);
  std::int64_t samples() const { return samples_; }
  std::int64_t rejected() const { return rejected_; }
  double seconds() const;

 private:
  void draw(bool final);
  void erase();

  std::string program_, verb_, unit_;
  bool quiet_, terminal_, drawn_ = false;
  std::int64_t total_ = -1, samples_ = 0, rejected_ = 0;
  std::chrono::steady_clock::time_point start_, last_draw_, window_start_;
  std::int64_t window_samples_ = 0;
  double recent_rate_ = 0;
  std::mutex mutex_;
};

}  // namespace mt::cli
