#include "heads/nearest_mean.h"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"
#include "kernels/gemm.h"

namespace mt {

std::string_view name_of(Distance distance) { return distance == Distance::euclidean ? "euclidean" : "cosine"; }

Distance distance_named(std::string_view name) {
  for (const Distance distance : {Distance::euclidean, Distance::cosine}) {
    if (name == name_of(distance)) return distance;
  }
  throw Error(name, "is not a distance", "use euclidean or cosine");
}

void normalise_row(float* x, std::size_t width) {
  double sum = 0;
  for (std::size_t d = 0; d < width; ++d) sum += static_cast<double>(x[d]) * x[d];
  if (sum <= 0) return;
  const double length = std::sqrt(sum);
  for (std::size_t d = 0; d < width; ++d) x[d] = static_cast<float>(x[d] / length);
}

NearestMeanHead::NearestMeanHead(HeadDescription description, Tensor means, Distance distance, double scale)
    : Head(std::move(description)), means_(std::move(means)), distance_(distance), scale_(scale) {
  prepare();
}

NearestMeanHead::NearestMeanHead(HeadDescription description, const Part& part)
    : Head(std::move(description)),
      means_(head_tensor(part, "means")),
      distance_(distance_named(config_value<std::string>(part.config, "distance"))),
      scale_(config_value<double>(part.config, "scale")) {
  prepare();
}

void NearestMeanHead::prepare() {
  const std::size_t classes = class_names().size(), width = feature_width();
  if (means_.shape() != Shape{classes, width} || means_.dtype() != DType::f32) {
    throw Error("head", fmt::format("means is {}, not float32 [{}, {}]", to_string(means_.shape()), classes, width));
  }
  if (!std::isfinite(scale_) || scale_ <= 0) throw Error("head", fmt::format("scale is {}, not positive", scale_));
  directions_ = means_.rows_copy(0, classes);
  for (std::size_t c = 0; c < classes; ++c) {
    const auto row = directions_.row<float>(c);
    double square = 0;
    for (const float value : row) square += static_cast<double>(value) * value;
    offset_.push_back(distance_ == Distance::euclidean ? square / 2 : 0);
    if (distance_ == Distance::cosine) normalise_row(row.data(), width);
  }
}

void NearestMeanHead::logits_of_tile(const float* x, float* logits) const {
  const std::size_t classes = class_names().size(), width = feature_width();
  std::vector<float> rows(x, x + kTile * width);
  if (distance_ == Distance::cosine) {
    for (std::size_t r = 0; r < kTile; ++r) normalise_row(rows.data() + r * width, width);
  }
  gemm(kTile, classes, width, {rows.data(), width}, {directions_.as<float>().data(), width, OperandForm::transposed},
       logits, classes);
  for (std::size_t r = 0; r < kTile; ++r) {
    for (std::size_t c = 0; c < classes; ++c) {
      float& value = logits[r * classes + c];
      value = static_cast<float>(scale_ * (value - offset_[c]));
    }
  }
}

void NearestMeanHead::describe(Part& part) const {
  part.config["distance"] = name_of(distance_);
  part.config["scale"] = scale_;
  part.tensors.emplace("means", means_);
}

}  // namespace mt
