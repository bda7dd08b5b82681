// k nearest neighbours: the head that keeps its training samples.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "heads/head.h"
#include "heads/nearest_mean.h"

namespace mt {

enum class Vote : std::uint8_t { uniform, distance };
std::string_view name_of(Vote vote);
Vote vote_named(std::string_view name);  // throws Error

class NeighboursHead : public Head {
 public:
  struct Settings {
    std::size_t k = 5;
    Distance distance = Distance::euclidean;
    Vote vote = Vote::uniform;
  };
  // neighbours: [N, D] f32 or f16, standardised; labels: [N] i32. Equal distances are ordered by number, so that the
  // answer is one. Throws Error when k exceeds N or a label is not a class.
  NeighboursHead(HeadDescription description, Tensor neighbours, Tensor labels, Settings settings);
  NeighboursHead(HeadDescription description, const Part& part);

  HeadKind kind() const override { return HeadKind::knn; }

 protected:
  void logits_of_tile(const float* x, float* logits) const override;  // logarithm of the votes, at least log(1e-7)
  void scores_of_tile(const float* x, float* scores) const override;  // votes, each row divided by its sum
  void describe(Part& part) const override;

 private:
  struct Candidate {
    double distance;
    std::size_t neighbour;
    bool operator<(const Candidate& other) const {
      return distance != other.distance ? distance < other.distance : neighbour < other.neighbour;
    }
  };
  void prepare();
  void load(std::size_t begin, std::size_t end, float* rows) const;
  std::vector<std::vector<Candidate>> candidates(const float* x) const;
  void rank(const float* x, std::vector<Candidate>& found) const;

  Tensor neighbours_, labels_;
  Settings settings_;
  std::vector<double> square_;  // [N], |neighbour|^2
};

}  // namespace mt
