// What "better" means on validation samples.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mt {

// What a head does on samples whose class or numbers are known.
struct HeadScore {
  double loss = 0;      // mean over samples of Loss::plain: of classes, -log of the label's probability
  double accuracy = 0;  // of classes: share of samples whose largest logit is the label's
  std::size_t samples = 0;
  std::optional<double> mse = {};  // of numbers: mean squared error, in their units
};
nlohmann::json to_json(const HeadScore& score);
HeadScore head_score_from(const nlohmann::json& json);

enum class Criterion : std::uint8_t { accuracy, loss };
std::string_view name_of(Criterion select);
Criterion criterion_named(std::string_view name);  // throws Error

// a is better than b: a higher accuracy (of equal ones the lower loss), or a lower loss. Of numbers always the latter.
bool better(const HeadScore& a, const HeadScore& b, Criterion select);

}  // namespace mt
