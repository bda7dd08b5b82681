// Goldens of tests/reference/make_image_goldens.py.
#pragma once

#include <cmath>
#include <fstream>
#include <span>
#include <string>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/tensor.h"

namespace mt::test {

inline nlohmann::json image_golden(const std::string& name) {
  std::ifstream file(std::string(MT_TESTS_DIR) + "/golden/image_" + name + ".json");
  return nlohmann::json::parse(file);
}

// The largest difference from samples [[position, value], ...].
inline double worst_difference(std::span<const float> values, const nlohmann::json& samples) {
  double worst = 0;
  for (const auto& sample : samples) {
    const double difference = std::abs(values[sample[0].get<std::size_t>()] - sample[1].get<double>());
    if (!(difference <= worst)) worst = difference;
  }
  return worst;
}

}  // namespace mt::test
