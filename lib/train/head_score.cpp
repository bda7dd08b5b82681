#include "train/head_score.h"

#include "base/error.h"
#include "base/text.h"

namespace mt {

nlohmann::json to_json(const HeadScore& score) {
  return {{"loss", score.loss}, {"accuracy", score.accuracy}, {"samples", score.samples}};
}

HeadScore head_score_from(const nlohmann::json& json) {
  return {json.at("loss").get<double>(), json.at("accuracy").get<double>(), json.at("samples").get<std::size_t>()};
}

std::string_view name_of(Criterion select) { return select == Criterion::accuracy ? "accuracy" : "loss"; }

Criterion criterion_named(std::string_view name) {
  for (const Criterion select : {Criterion::accuracy, Criterion::loss}) {
    if (name == name_of(select)) return select;
  }
  throw Error(printable(name), "is nothing to select by", "use accuracy or loss");
}

bool better(const HeadScore& a, const HeadScore& b, Criterion select) {
  if (select == Criterion::accuracy && a.accuracy != b.accuracy) return a.accuracy > b.accuracy;
  return a.loss < b.loss;
}

}  // namespace mt
