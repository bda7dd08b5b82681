// How the learning rate moves over a run.
#pragma once

#include <cstdint>
#include <string_view>

namespace mt {

struct Schedule {
  enum class Kind : std::uint8_t { constant, cosine, step };
  Kind kind = Kind::cosine;
  double rate = 1e-3;                          // the highest
  double warm_up_epochs = 0;                   // linear from 0
  double epochs = 1;                           // of the whole run; cosine reaches last_rate at its end
  double last_rate = 0;                        // cosine
  double step_epochs = 10, step_factor = 0.1;  // step: rate is multiplied every step_epochs after the warm-up

  // epoch: how much of the run is done, with fractions. During warm-up the rate grows with epoch, so a loop asks with
  // the end of the step that it is about to do.
  double at(double epoch) const;
};
std::string_view name_of(Schedule::Kind kind);
Schedule::Kind schedule_named(std::string_view name);  // throws Error

}  // namespace mt
