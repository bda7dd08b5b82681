// What every measurement shares: a clock, the best of some rounds, and a table with ratios.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/threads.h"
#include "kernels/kernels.h"

namespace mt::bench {

// wall: what a user waits for. cpu: the time of the calling thread alone, for one thread on a machine that others use.
enum class Clock { wall, cpu };

struct Settings {
  Clock clock = Clock::wall;
  double seconds = 1;  // least time of one measurement
  std::vector<std::size_t> threads = {1, 2};
  std::vector<Precision> precisions;  // those that the machine has
  std::vector<std::string> sizes = {"b16", "l14"};
  std::vector<std::string> pictures;  // files
};

// Seconds of one call of work, best of at least three and of settings.seconds.
double seconds_of(const Settings& settings, const std::function<void()>& work);
// The same when `threads` threads each make the call at once.
double seconds_of(const Settings& settings, std::size_t threads, const std::function<void(std::size_t thread)>& work);

// One line of the table: what was measured, and which part of its own limit it reaches.
struct Row {
  std::string section, name;
  std::size_t threads = 1;
  double value = 0;
  std::string unit;
  std::optional<double> limit, ratio;  // limit in the same unit; ratio = value / limit unless it says otherwise
  std::string note;
};

class Table {
 public:
  // Prints the row at once.
  void add(Row row);
  nlohmann::json json() const;

 private:
  std::string section_;
  std::vector<Row> rows_;
};

// Part of the machine that others kept busy during one second, 0 .. 1.
double busy_part();

}  // namespace mt::bench
