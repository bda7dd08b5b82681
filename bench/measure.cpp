#include "measure.h"

#include <ctime>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include <fmt/format.h>

namespace mt::bench {

namespace {

double now(Clock clock) {
  timespec time{};
  clock_gettime(clock == Clock::cpu ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

double seconds_of(const Settings& settings, const std::function<void()>& work) {
  work();  // memory is touched, weights are in cache as far as they fit
  double best = 0, total = 0;
  for (int round = 0; round < 3 || total < settings.seconds; ++round) {
    const double start = now(settings.clock);
    work();
    const double taken = now(settings.clock) - start;
    best = round == 0 ? taken : std::min(best, taken);
    total += taken;
  }
  return best;
}

double seconds_of(const Settings& settings, std::size_t threads, const std::function<void(std::size_t)>& work) {
  if (threads == 1) return seconds_of(settings, [&] { work(0); });
  ThreadPool pool(threads);
  return seconds_of(settings, [&] { pool.parallel_for(threads, [&](std::size_t i, std::size_t) { work(i); }); });
}

void Table::add(Row row) {
  if (row.limit && !row.ratio) row.ratio = row.value / *row.limit;
  if (row.section != section_) fmt::print("\n{}\n", section_ = row.section);
  fmt::print("  {:<44} {:>2} {:>10.4g} {:<10}", row.name, row.threads, row.value, row.unit);
  if (row.limit) fmt::print(" of {:>9.4g}", *row.limit);
  if (row.ratio) fmt::print(" {}= {:>6.3f}", row.limit ? "" : "             ", *row.ratio);
  if (!row.note.empty()) fmt::print("  {}", row.note);
  fmt::print("\n");
  std::fflush(stdout);
  rows_.push_back(std::move(row));
}

nlohmann::json Table::json() const {
  nlohmann::json all = nlohmann::json::array();
  for (const Row& row : rows_) {
    nlohmann::json j = {{"section", row.section},
                        {"name", row.name},
                        {"threads", row.threads},
                        {"value", row.value},
                        {"unit", row.unit}};
    if (row.limit) j["limit"] = *row.limit;
    if (row.ratio) j["ratio"] = *row.ratio;
    if (!row.note.empty()) j["note"] = row.note;
    all.push_back(std::move(j));
  }
  return all;
}

double busy_part() {
  const auto ticks = [] {
    std::ifstream stat("/proc/stat");
    std::string cpu;
    stat >> cpu;
    double idle = 0, all = 0, value = 0;
    for (int i = 0; i < 8 && stat >> value; ++i) {
      all += value;
      if (i == 3) idle = value;
    }
    return std::pair{idle, all};
  };
  const auto before = ticks();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const auto after = ticks();
  const double all = after.second - before.second;
  return all > 0 ? 1 - (after.first - before.first) / all : 0;
}

}  // namespace mt::bench
