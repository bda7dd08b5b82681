#include "train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/text.h"

namespace mt {

double Schedule::at(double epoch) const {
  if (epoch < warm_up_epochs) return rate * epoch / warm_up_epochs;
  const double after = epoch - warm_up_epochs;
  switch (kind) {
    case Kind::constant:
      return rate;
    case Kind::cosine: {
      const double length = epochs - warm_up_epochs;
      const double done = length > 0 ? std::min(1.0, after / length) : 1.0;
      return last_rate + (rate - last_rate) * 0.5 * (1 + std::cos(std::numbers::pi * done));
    }
    case Kind::step:
      return rate * std::pow(step_factor, std::floor(after / step_epochs));
  }
  return rate;
}

std::string_view name_of(Schedule::Kind kind) {
  switch (kind) {
    case Schedule::Kind::constant:
      return "constant";
    case Schedule::Kind::cosine:
      return "cosine";
    case Schedule::Kind::step:
      return "step";
  }
  return "";
}

Schedule::Kind schedule_named(std::string_view name) {
  for (const auto kind : {Schedule::Kind::constant, Schedule::Kind::cosine, Schedule::Kind::step}) {
    if (name == name_of(kind)) return kind;
  }
  throw Error(printable(name), "is not a schedule", "use cosine, step or constant");
}

}  // namespace mt
