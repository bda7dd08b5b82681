#include "train/loss_choice.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

using Kind = LossChoice::Kind;

struct NamedLoss {
  Kind kind;
  const char* name;       // on the command line
  const char* recorded;   // in a head's "training"
  const char* parameter;  // its name there; nullptr: none
  double usual;
};
constexpr NamedLoss kLosses[] = {{Kind::cross_entropy, "cross-entropy", "cross_entropy", nullptr, 0},
                                 {Kind::focal, "focal", "focal", "gamma", 2},
                                 {Kind::bce, "bce", "bce", nullptr, 0},
                                 {Kind::mse, "mse", "mse", nullptr, 0},
                                 {Kind::l1, "l1", "l1", nullptr, 0},
                                 {Kind::huber, "huber", "huber", "delta", 1}};

const NamedLoss& named(Kind kind) {
  return *std::ranges::find_if(kLosses, [&](const NamedLoss& loss) { return loss.kind == kind; });
}

}  // namespace

nlohmann::json LossChoice::to_json() const {
  const NamedLoss& loss = named(kind);
  nlohmann::json json = {{"name", loss.recorded}};
  if (loss.parameter != nullptr) json[loss.parameter] = parameter;
  return json;
}

LossChoice loss_named(std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const auto* const found = std::ranges::find_if(kLosses, [&](const NamedLoss& loss) { return loss.name == name; });
  if (found == std::ranges::end(kLosses))
    throw UsageError("--loss", fmt::format("\"{}\" is not known", printable(std::string(text))),
                     "use cross-entropy, focal:GAMMA or bce; of numbers mse, l1, huber:DELTA or bce");
  if (colon == std::string_view::npos) return {found->kind, found->usual};
  const auto value = parse_double(text.substr(colon + 1));
  const bool positive = found->kind == Kind::focal ? value && *value >= 0 : value && *value > 0;
  if (found->parameter == nullptr || !positive || !(*value <= 1e6))
    throw UsageError(
        "--loss",
        fmt::format(
            "\"{}\" {}", printable(std::string(text)),
            found->parameter == nullptr ? "takes no number" : fmt::format("has no {} up to 1e6", found->parameter)),
        found->parameter == nullptr ? fmt::format("use {}", name) : fmt::format("e.g. {}:{:g}", name, found->usual));
  return {found->kind, *value};
}

std::unique_ptr<Loss> make_loss(const LossChoice& choice, std::size_t outputs, double smoothing,
                                std::vector<double> class_weights) {
  switch (choice.kind) {
    case Kind::cross_entropy:
      return std::make_unique<CrossEntropy>(outputs, smoothing, std::move(class_weights));
    case Kind::focal:
      return std::make_unique<FocalLoss>(outputs, choice.parameter, std::move(class_weights));
    case Kind::bce:
      return std::make_unique<BinaryCrossEntropy>(outputs, smoothing, std::move(class_weights));
    case Kind::mse:
      return std::make_unique<DistanceLoss>(DistanceLoss::Kind::squares);
    case Kind::l1:
      return std::make_unique<DistanceLoss>(DistanceLoss::Kind::absolute);
    case Kind::huber:
      return std::make_unique<DistanceLoss>(DistanceLoss::Kind::huber, choice.parameter);
  }
  return nullptr;
}

}  // namespace mt
