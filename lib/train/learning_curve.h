// What a run's loss and accuracy did, step by step, in bounded memory: for its picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <nlohmann/json.hpp>

#include "train/head_score.h"

namespace mt {

class LearningCurve {
 public:
  // A mean over neighbouring steps.
  struct Point {
    double step = 0, loss = 0;  // step: the last of them
    std::optional<double> accuracy;
  };

  // Steps are counted from 1 and ascend. accuracy: of classes.
  void add_training(std::uint64_t step, double loss, std::optional<double> accuracy) {
    training_.add(step, loss, accuracy);
  }
  void add_validation(std::uint64_t step, const HeadScore& score) {
    validation_.add(step, score.loss, score.mse ? std::nullopt : std::optional(score.accuracy));
  }
  // The step whose parameters were kept, where a validation chose it.
  void keep(std::uint64_t step) { kept_ = step; }

  std::vector<Point> training() const { return training_.points(); }
  std::vector<Point> validation() const { return validation_.points(); }
  std::optional<std::uint64_t> kept() const { return kept_; }

  nlohmann::json to_json() const;  // for a state file
  static LearningCurve from_json(const nlohmann::json& json);

 private:
  // At most kPoints means of equally many values: when there are more, neighbours are joined.
  class Series {
   public:
    void add(std::uint64_t step, double loss, std::optional<double> accuracy);
    std::vector<Point> points() const;
    nlohmann::json to_json() const;
    static Series from_json(const nlohmann::json& json);

   private:
    static constexpr std::size_t kPoints = 512;
    struct Sum {
      double step = 0, loss = 0, accuracy = 0;
      std::uint64_t count = 0, scored = 0;  // scored: values with an accuracy
    };
    std::vector<Sum> sums_;
    std::uint64_t stride_ = 1;  // values of a sum
  };

  Series training_, validation_;
  std::optional<std::uint64_t> kept_;
};

}  // namespace mt
