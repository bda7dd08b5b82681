// Training a head on cached features, from files to a part of a model file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/progress.h"
#include "base/threads.h"
#include "heads/head.h"
#include "heads/nearest_mean.h"
#include "heads/neighbours.h"
#include "heads/network.h"
#include "train/feature_set.h"
#include "train/loop.h"
#include "train/loss_choice.h"
#include "train/losses.h"
#include "train/probe.h"
#include "train/sample_matrix.h"
#include "train/watch.h"

namespace mt {

struct HeadTrainingSettings {
  std::vector<std::string> features;          // files, or "-"
  std::vector<std::string> validation_files;  // else held out:
  double validation = 0.1;                    // share of the samples; 0: none
  std::string group;                          // rule for hold_out, empty: none
  Criterion select = Criterion::accuracy;

  HeadKind kind = HeadKind::linear;
  std::vector<std::size_t> hidden;               // mlp
  Nonlinearity activation = Nonlinearity::gelu;  // mlp
  double dropout = 0;                            // mlp
  NeighboursHead::Settings neighbours;           // knn; its distance also of nearest_mean
  bool half = false;                             // knn: keep features as float16
  bool standardise = true;

  std::string optimiser = "lbfgs";  // "lbfgs" (linear only), "adamw", "sgd"
  ProbeSettings probe;              // lbfgs; its refit also of nearest_mean and knn
  LoopSettings loop;                // adamw, sgd
  std::size_t batch = 256;
  LossChoice loss;
  bool regression = false;  // of numbers, from patches only: ridge.h learns them from features
  double smoothing = 0;
  bool balanced = false;              // class weights N / (C * samples of the class)
  std::vector<double> class_weights;  // in the order of the class names; empty: equal

  std::uint64_t memory = std::uint64_t{2} << 30;  // bytes of features held; more are streamed
  std::uint64_t seed = 0;

  // Everything that decides the head, for a head of this kind; no paths, threads, memory.
  nlohmann::json to_json() const;
};

struct TrainedHead {
  Part part;
  nlohmann::json metrics;  // what the program's summary and --json say; also in the part's "training"
};

class HeadTraining {
 public:
  // Opens the files, joins classes, holds out, loads what fits, measures. Choices are told to progress.note. Throws
  // Error: a single class, settings that contradict the data, everything that FeatureSet and SampleMatrix throw.
  HeadTraining(const HeadTrainingSettings& settings, ThreadPool& pool, Progress& progress);

  // Samples, classes, parameters, bytes: what a dry run says.
  nlohmann::json plan() const;
  // Digest of settings and data: equal runs give equal heads.
  const std::string& run() const { return run_; }

  TrainedHead train(Watch& watch);

 private:
  void arrange(Progress& progress);
  std::vector<double> class_weights() const;
  HeadDescription describe(nlohmann::json training) const;
  std::unique_ptr<Head> train_linear(Watch& watch, nlohmann::json& metrics);
  std::unique_ptr<Head> train_network(Watch& watch, nlohmann::json& metrics);
  std::unique_ptr<Head> train_nearest_mean(Watch& watch, nlohmann::json& metrics);
  std::unique_ptr<Head> train_neighbours(Watch& watch, nlohmann::json& metrics);
  NetworkShape network_shape() const;
  HeadScore validate(const Head& head);
  bool validates() const { return train_end_ < matrix_->size(); }
  std::size_t classes() const { return set_.class_names().size(); }

  const HeadTrainingSettings& settings_;
  ThreadPool& pool_;
  FeatureSet set_;
  std::size_t train_end_ = 0;        // positions before it train
  std::vector<std::size_t> counts_;  // training samples of each class
  std::optional<SampleMatrix> matrix_;
  Standardisation standardisation_;  // applied to the matrix; without --standardise only means, and only for lbfgs
  std::string run_;
};

}  // namespace mt
