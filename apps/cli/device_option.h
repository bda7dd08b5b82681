// --device: what computes, the CPU or cards.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/threads.h"
#include "encoder/encoder.h"

namespace mt::cli {

struct DeviceChoice {
  bool cards = false;
  std::vector<std::size_t> indexes;  // of the cards, as the driver counts them; empty: one, the launcher's or the first
};
// "cpu", "cuda", "cuda:1", "cuda:0,1"; throws UsageError.
DeviceChoice device_named(const std::string& text);

// Before anything is read: throws Error when there is no such device.
void require_device(const DeviceChoice& choice);

struct Executor {
  std::unique_ptr<Encoder> encoder;
  Precision precision = Precision::f32;  // which it has; said where it is another than was asked for
  std::string device;                    // as features record it: "cpu", or the kind of card and the versions
};
// Throws Error when there is no such card, or the encoder cannot run there. The pool is the CPU executor's.
Executor make_executor(const DeviceChoice& choice, const Part& encoder, Precision wanted, ThreadPool& pool,
                       Progress& progress);

}  // namespace mt::cli
