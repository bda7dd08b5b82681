#include "train/head_score.h"

#include "base/error.h"
#include "base/text.h"

namespace mt {

nlohmann::json to_json(const HeadScore& score) {
  nlohmann::json json = {{"loss", score.loss}, {"samples", score.samples}};
  if (score.mse)
    json["mse"] = *score.mse;
  else
    json["accuracy"] = score.accuracy;
  return json;
}

HeadScore head_score_from(const nlohmann::json& json) {
  HeadScore score{.loss = json.at("loss").get<double>(), .samples = json.at("samples").get<std::size_t>()};
  if (json.contains("mse"))
    score.mse = json.at("mse").get<double>();
  else
    score.accuracy = json.at("accuracy").get<double>();
  return score;
}

std::string_view name_of(Criterion select) { return select == Criterion::accuracy ? "accuracy" : "loss"; }

Criterion criterion_named(std::string_view name) {
  for (const Criterion select : {Criterion::accuracy, Criterion::loss}) {
    if (name == name_of(select)) return select;
  }
  throw Error(printable(name), "is nothing to select by", "use accuracy or loss");
}

bool better(const HeadScore& a, const HeadScore& b, Criterion select) {
  if (select == Criterion::accuracy && !a.mse && a.accuracy != b.accuracy) return a.accuracy > b.accuracy;
  return a.loss < b.loss;
}

}  // namespace mt
