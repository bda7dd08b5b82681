// Which loss a run minimises.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/losses.h"

namespace mt {

// A loss by its name on the command line: cross-entropy, focal:GAMMA, bce; mse, l1, huber:DELTA.
struct LossChoice {
  enum class Kind : std::uint8_t { cross_entropy, focal, bce, mse, l1, huber };
  Kind kind = Kind::cross_entropy;
  double parameter = 0;  // gamma, or delta

  bool of_labels() const { return kind == Kind::cross_entropy || kind == Kind::focal || kind == Kind::bce; }
  bool of_numbers() const { return kind != Kind::cross_entropy && kind != Kind::focal; }
  nlohmann::json to_json() const;  // "name" and its parameter
};
// "focal" is focal:2, "huber" is huber:1. Throws UsageError.
LossChoice loss_named(std::string_view text);
// class_weights: [outputs], or empty.
std::unique_ptr<Loss> make_loss(const LossChoice& choice, std::size_t outputs, double smoothing,
                                std::vector<double> class_weights);

}  // namespace mt
