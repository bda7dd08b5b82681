#include "cli/progress_bar.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

#include "base/text.h"

namespace mt::cli {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kTerminalInterval{100};
constexpr std::chrono::seconds kLogInterval{30};

// 1234567 -> "1 234 567"
std::string grouped(std::int64_t value) {
  std::string digits = std::to_string(value);
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > 0; i -= 3)
    digits.insert(static_cast<std::size_t>(i), " ");
  return digits;
}

std::string rate_text(double rate) {
  return rate >= 100 ? fmt::format("{:.0f}/s", rate) : fmt::format("{:.3g}/s", rate);
}

std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(std::lround(seconds));
  if (s < 100) return fmt::format("{}s", s);
  if (s < 6000) return fmt::format("{}m{:02}s", s / 60, s % 60);
  return fmt::format("{}h{:02}m", s / 3600, s / 60 % 60);
}

double between(Clock::time_point a, Clock::time_point b) { return std::chrono::duration<double>(b - a).count(); }

void print(const std::string& text) {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

bool capable_terminal() {
  const char* term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::strcmp(term, "dumb") != 0;
}

}  // namespace

ProgressBar::ProgressBar(std::string program, std::string verb, const CommonOptions& options, std::string unit)
    : program_(std::move(program)),
      verb_(std::move(verb)),
      unit_(std::move(unit)),
      quiet_(options.quiet),
      terminal_(!options.quiet && capable_terminal()),
      start_(Clock::now()),
      last_draw_(start_),
      window_start_(start_) {}

ProgressBar::~ProgressBar() { erase(); }

void ProgressBar::total(std::int64_t samples) {
  const std::lock_guard lock(mutex_);
  total_ = samples;
}

void ProgressBar::advance(std::int64_t samples, std::int64_t rejected) {
  const std::lock_guard lock(mutex_);
  samples_ += samples;
  rejected_ += rejected;
  if (!quiet_) draw(false);
}

void ProgressBar::note(std::string_view message) {
  if (quiet_) return;
  warn(message);
}

void ProgressBar::warn(std::string_view message) {
  const std::lock_guard lock(mutex_);
  erase();
  print(program_ + ": " + printable(message) + "\n");
}

void ProgressBar::finish(const std::string& output) {
  const std::lock_guard lock(mutex_);
  erase();
  if (quiet_) return;
  const double elapsed = between(start_, Clock::now());
  std::string line = fmt::format("{}: {} {} in {:.1f} s ({})", program_, samples_, unit_, elapsed,
                                 rate_text(static_cast<double>(samples_) / std::max(elapsed, 1e-9)));
  if (rejected_ > 0) line += fmt::format(", {} rejected", rejected_);
  if (!output.empty()) line += " -> " + printable(output);
  print(line + "\n");
}

double ProgressBar::seconds() const { return between(start_, Clock::now()); }

void ProgressBar::draw(bool final) {
  const Clock::time_point now = Clock::now();
  if (!final && now - last_draw_ < (terminal_ ? Clock::duration(kTerminalInterval) : Clock::duration(kLogInterval)))
    return;
  last_draw_ = now;
  if (const double window = between(window_start_, now); window >= 2.0) {
    recent_rate_ = static_cast<double>(samples_ - window_samples_) / window;
    window_start_ = now;
    window_samples_ = samples_;
  }
  const double rate =
      recent_rate_ > 0 ? recent_rate_ : static_cast<double>(samples_) / std::max(between(start_, now), 1e-9);
  std::string line = fmt::format("{}  {}", verb_, grouped(samples_));
  if (total_ >= 0) line += " / " + grouped(total_);
  line += " " + unit_ + "   " + rate_text(rate);
  if (total_ > samples_ && rate > 0)
    line += "   eta " + duration(static_cast<double>(total_ - samples_ - rejected_) / rate);
  if (rejected_ > 0) line += fmt::format("   {} rejected", grouped(rejected_));
  if (terminal_) {
    print("\r\033[K" + line);
    drawn_ = true;
  } else {
    print(program_ + ": " + line + "\n");
  }
}

void ProgressBar::erase() {
  if (!drawn_) return;
  print("\r\033[K");
  drawn_ = false;
}

}  // namespace mt::cli
