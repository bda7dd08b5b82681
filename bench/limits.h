// What the machine can do at most: multiply-adds from registers, and bytes from memory.
#pragma once

#include <cstddef>
#include <optional>

#include "measure.h"

namespace mt::bench {

// Operations (a multiply and an add are two) per second, 1e9, of independent multiply-adds in registers: the limit of
// every product. Short, so that it can be taken beside each measurement. Nothing where the machine's level has no such
// instruction, or none that this program knows.
std::optional<double> instruction_peak(Precision precision, std::size_t threads, Clock clock);

// Runs work between two peaks; the ratio of what it reaches then has both from the same moments.
struct Against {
  double rate = 0;  // 1e9 operations a second
  std::optional<double> peak;
};
Against against_peak(const Settings& settings, Precision precision, std::size_t threads, double operations,
                     const std::function<void(std::size_t thread)>& work);

// Bytes read and written per second, 1e9, when `bytes` are copied.
double copy_rate(const Settings& settings, std::size_t threads, std::size_t bytes);

void measure_limits(const Settings& settings, Table& table);

}  // namespace mt::bench
