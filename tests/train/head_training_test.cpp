#include "train/head_training.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <fstream>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "feature_file.h"
#include "support/gradients.h"
#include "support/temporary_directory.h"
#include "support/wine.h"

namespace mt {
namespace {

// Asks to stop after so many calls: a kill at a safe point.
struct StopAfter : Progress {
  int calls;
  explicit StopAfter(int calls_) : calls(calls_) {}
  void advance(std::int64_t, std::int64_t) override {
    if (--calls == 0) request_interrupt(SIGTERM);
  }
};

struct Notes : Progress {
  std::vector<std::string> lines;
  void note(std::string_view line) override { lines.emplace_back(line); }
};

TrainedHead train(const HeadTrainingSettings& settings, std::size_t threads = 2) {
  ThreadPool pool(threads);
  Progress silent;
  TrainingLog log;
  StateFile states;
  HeadTraining training(settings, pool, silent);
  Watch watch{silent, log, states, std::nullopt};
  return training.train(watch);
}

std::string digest(const Part& part) { return hex(digest_of(part)); }

struct WineFiles {
  test::TemporaryDirectory directory;
  test::Wine wine;
  std::string train = test::write_features(directory / "train.h5", test::feature_schema(13, {"a", "b", "c"}),
                                           wine.train, wine.train_labels);
  std::string test = test::write_features(directory / "test.h5", test::feature_schema(13, {"a", "b", "c"}), wine.test,
                                          wine.test_labels);

  HeadTrainingSettings settings(double l2) const {
    HeadTrainingSettings settings;
    settings.features = {train};
    settings.validation = 0;
    settings.probe.l2 = {l2};
    settings.probe.tolerance = 1e-8;
    return settings;
  }
};

void require_equal_logistic(const Part& part, const nlohmann::json& golden, double tolerance) {
  CHECK(test::relative_difference(part.at("layers.0.weight").as<float>(),
                                  golden.at("weight").get<std::vector<double>>()) < tolerance);
  CHECK(test::relative_difference(part.at("layers.0.bias").as<float>(), golden.at("bias").get<std::vector<double>>()) <
        tolerance);
}

TEST_CASE_FIXTURE(WineFiles, "probe: weights and log loss equal scikit-learn's LogisticRegression") {
  for (const auto& golden : wine.golden.at("logistic")) {
    CAPTURE(golden.at("l2"));
    HeadTrainingSettings options = settings(golden.at("l2").get<double>());
    options.validation_files = {test};
    const TrainedHead trained = mt::train(options);
    // The gradient is known to float32 rounding (6e-8); over the flattest curvature, l2, the optimum may lie that far
    // away.
    require_equal_logistic(trained.part, golden, std::max(1e-4, 6e-8 / golden.at("l2").get<double>()));
    CHECK(trained.metrics.at("validation_score").at("loss").get<double>() ==
          doctest::Approx(golden.at("test_loss").get<double>()).epsilon(1e-4));
  }
}

TEST_CASE_FIXTURE(WineFiles, "probe: balanced class weights equal scikit-learn's") {
  HeadTrainingSettings options = settings(1e-2);
  options.balanced = true;
  require_equal_logistic(mt::train(options).part, wine.golden.at("balanced"), 1e-4);
}

TEST_CASE_FIXTURE(WineFiles,
                  "probe: with two classes, the difference of their weights is scikit-learn's single logit") {
  std::vector<std::int32_t> labels = wine.train_labels;
  std::replace(labels.begin(), labels.end(), 2, -1);
  // The golden standardises over all three classes: so do the features here.
  Tensor rows = wine.train;
  Moments moments(13);
  moments.add(rows.as<float>().data(), rows.rows());
  moments.standardisation().apply(rows.as<float>().data(), rows.as<float>().data(), rows.rows());
  HeadTrainingSettings options = settings(1e-2);
  options.features = {
      test::write_features(directory / "two.h5", test::feature_schema(13, {"a", "b", "c"}), rows, labels)};
  options.standardise = false;
  const Part part = mt::train(options).part;
  const auto weight = part.at("layers.0.weight").as<float>(), bias = part.at("layers.0.bias").as<float>();
  REQUIRE(weight.size() == 26);
  std::vector<double> difference, shift = {static_cast<double>(bias[1]) - bias[0]};
  for (std::size_t d = 0; d < 13; ++d) difference.push_back(static_cast<double>(weight[13 + d]) - weight[d]);
  CHECK(test::relative_difference(difference, wine.golden.at("binary").at("difference").get<std::vector<double>>()) <
        1e-4);
  CHECK(test::relative_difference(shift, wine.golden.at("binary").at("bias").get<std::vector<double>>()) < 1e-4);
}

struct CloudFiles {
  test::TemporaryDirectory directory;
  test::Clouds clouds{3000, 20, 4, 1.0, 1}, others{500, 20, 4, 1.0, 2};
  std::string train = test::write_features(directory / "train.h5", test::feature_schema(20, {"a", "b", "c", "d"}),
                                           clouds.rows, clouds.labels);
  std::string validation = test::write_features(directory / "val.h5", test::feature_schema(20, {"d", "c", "b", "a"}),
                                                others.rows, reversed());

  std::vector<std::int32_t> reversed() const {
    std::vector<std::int32_t> labels = others.labels;
    for (std::int32_t& label : labels) label = 3 - label;
    return labels;
  }
  HeadTrainingSettings settings(HeadKind kind, const std::string& optimiser = "lbfgs") const {
    HeadTrainingSettings settings;
    settings.features = {train};
    settings.kind = kind;
    settings.optimiser = optimiser;
    settings.loop.epochs = 4;
    settings.loop.schedule.rate = optimiser == "sgd" ? 0.1 : 1e-2;
    settings.batch = 100;
    if (kind == HeadKind::mlp) {
      settings.hidden = {32, 16};
      settings.dropout = 0.2;
    }
    settings.seed = 5;
    return settings;
  }
  std::vector<HeadTrainingSettings> one_of_each() const {
    return {settings(HeadKind::linear), settings(HeadKind::linear, "sgd"), settings(HeadKind::mlp, "adamw"),
            settings(HeadKind::nearest_mean), settings(HeadKind::knn)};
  }
};

TEST_CASE_FIXTURE(CloudFiles, "head training: every kind learns clouds that lie apart, and says so") {
  for (const HeadTrainingSettings& options : one_of_each()) {
    INFO(name_of(options.kind), " ", options.optimiser);
    const TrainedHead trained = mt::train(options);
    CHECK(trained.metrics.at("validation_score").at("accuracy").get<double>() > 0.85);
    // The head that was written does as well on samples that it never saw.
    const auto head = Head::from(trained.part);
    ThreadPool pool(2);
    const Tensor scores = head->scores(others.rows, pool);
    std::size_t right = 0;
    for (std::size_t i = 0; i < 500; ++i) {
      const auto row = scores.row<float>(i);
      right += std::max_element(row.begin(), row.end()) - row.begin() == others.labels[i] ? 1 : 0;
    }
    CHECK(right > 425);
    CHECK(head->description().training.at("run") == trained.metrics.at("run"));
    CHECK(head->description().input ==
          HeadInput{Kind::features, "image", 1, head_input_of(test::feature_schema(20, {}), 1).digest});
  }
}

TEST_CASE_FIXTURE(CloudFiles, "head training: the same bytes for any number of threads, from memory or from disk") {
  for (HeadTrainingSettings options : one_of_each()) {
    INFO(name_of(options.kind), " ", options.optimiser);
    const std::string first = digest(mt::train(options, 1).part);
    CHECK(digest(mt::train(options, 3).part) == first);
    if (options.kind != HeadKind::knn) {  // which keeps everything in memory
      options.memory = 10000;
      CHECK(digest(mt::train(options, 2).part) == first);
    }
    options.seed = 6;
    CHECK(digest(mt::train(options, 2).part) != first);
  }
}

TEST_CASE_FIXTURE(CloudFiles, "head training: a run that is stopped anywhere and resumed ends in the same bytes") {
  for (const HeadTrainingSettings& options :
       {settings(HeadKind::linear), settings(HeadKind::linear, "sgd"), settings(HeadKind::mlp, "adamw")}) {
    const std::string expected = digest(mt::train(options).part);
    for (const int stop : {1, 5, 17, 60}) {
      INFO(name_of(options.kind), " ", options.optimiser, " ", stop);
      const auto path = directory / "out.h5.part";
      const auto log_path = directory / "log.jsonl";
      std::filesystem::remove(path);
      std::filesystem::remove(log_path);
      ThreadPool pool(2);
      StopAfter progress(stop);
      {
        HeadTraining training(options, pool, progress);
        StateFile states(path, training.run(), 3600);
        TrainingLog log(log_path, false, 0);
        Watch watch{progress, log, states, std::nullopt};
        CHECK_THROWS_AS(training.train(watch), Interrupted);
        request_interrupt(0);
      }
      // The run goes on in another "process".
      Progress silent;
      HeadTraining training(options, pool, silent);
      StateFile states(path, training.run(), 3600);
      auto resumed = states.load();
      REQUIRE(resumed.has_value());
      TrainingLog log(log_path, true, resumed->progress.at("log_bytes").get<std::uint64_t>());
      Watch watch{silent, log, states, std::move(resumed)};
      CHECK(digest(training.train(watch).part) == expected);
      // The log has every step once.
      std::ifstream lines(log_path);
      std::size_t validations = 0;
      long last_step = 0;
      for (std::string line; std::getline(lines, line);) {
        const auto entry = nlohmann::json::parse(line);
        validations += entry.at("event") == "step" ? 0 : 1;
        if (entry.at("event") != "step" || options.optimiser == "lbfgs") continue;
        CHECK(entry.at("step").get<long>() == last_step + 1);
        last_step = entry.at("step").get<long>();
      }
      CHECK(validations >= 4);
      states.remove();
      CHECK_FALSE(std::filesystem::exists(path));
    }
  }
}

TEST_CASE_FIXTURE(CloudFiles, "head training: the state of another run is refused") {
  ThreadPool pool(2);
  Progress silent;
  const auto path = directory / "out.h5.part";
  HeadTrainingSettings options = settings(HeadKind::linear);
  HeadTraining training(options, pool, silent);
  StateFile(path, training.run(), 0).save({});
  HeadTrainingSettings changed = options;
  changed.smoothing = 0.1;
  HeadTraining other(changed, pool, silent);
  CHECK(other.run() != training.run());
  CHECK_THROWS_WITH_AS(StateFile(path, other.run(), 0).load(),
                       doctest::Contains("belongs to a run with other settings"), Error);
}

TEST_CASE_FIXTURE(CloudFiles,
                  "head training: a validation file is matched by class names, and refused when it has others") {
  HeadTrainingSettings options = settings(HeadKind::linear);
  options.validation_files = {validation};
  const TrainedHead trained = mt::train(options);
  CHECK(trained.metrics.at("samples").at("validation") == 500);
  CHECK(trained.metrics.at("validation_score").at("accuracy").get<double>() > 0.85);  // by number it would be near 0
  CHECK(trained.metrics.at("fit").at("refitted") == false);

  options.validation_files = {test::write_features(directory / "odd.h5", test::feature_schema(20, {"a", "bee"}),
                                                   others.rows, std::vector<std::int32_t>(500, 1))};
  CHECK_THROWS_WITH_AS(mt::train(options), doctest::Contains("has class \"bee\""), Error);
}

TEST_CASE_FIXTURE(CloudFiles, "head training: early stopping keeps the best epoch") {
  HeadTrainingSettings options = settings(HeadKind::linear, "sgd");
  options.loop.epochs = 50;
  options.loop.patience = 3;
  options.select = Criterion::loss;
  options.loop.schedule = {.kind = Schedule::Kind::constant, .rate = 5};  // too high: it wanders
  const auto fit = mt::train(options).metrics.at("fit");
  CHECK(fit.at("epochs").get<int>() < 50);
  CHECK(fit.at("epochs").get<int>() == fit.at("best_epoch").get<int>() + 3);
}

TEST_CASE_FIXTURE(CloudFiles, "head training: a loss that is not finite stops with the step and a sample") {
  HeadTrainingSettings options = settings(HeadKind::mlp, "sgd");
  options.loop.schedule.rate = 1e30;
  CHECK_THROWS_WITH_AS(mt::train(options), doctest::Contains(".png"), Error);
  CHECK_THROWS_WITH_AS(mt::train(options), doctest::Contains("step "), Error);
}

TEST_CASE_FIXTURE(CloudFiles,
                  "head training: one class, wrong numbers of weights and too large neighbourhoods are refused") {
  ThreadPool pool(1);
  Progress silent;
  HeadTrainingSettings options = settings(HeadKind::linear);
  options.features = {test::write_features(directory / "one.h5", test::feature_schema(20, {"only"}), others.rows,
                                           std::vector<std::int32_t>(500, 0))};
  CHECK_THROWS_WITH_AS(HeadTraining(options, pool, silent),
                       doctest::Contains("all 500 labelled samples are of class \"only\""), Error);
  options = settings(HeadKind::linear);
  options.class_weights = {1, 2};
  CHECK_THROWS_WITH_AS(HeadTraining(options, pool, silent),
                       doctest::Contains("gives 2 weights, there are 4 classes: a, b, c"), Error);
  options = settings(HeadKind::knn);
  options.neighbours.k = 2701;
  CHECK_THROWS_WITH_AS(mt::train(options), doctest::Contains("2701 neighbours of 2700 samples"), Error);
  options.memory = 1000;
  CHECK_THROWS_WITH_AS(mt::train(options), doctest::Contains("--memory allows 1000 B"), Error);
}

TEST_CASE_FIXTURE(CloudFiles, "head training: unlabelled samples and empty classes are left out and told") {
  std::vector<std::int32_t> labels = clouds.labels;
  labels[0] = labels[7] = -1;
  HeadTrainingSettings options = settings(HeadKind::nearest_mean);
  options.features = {test::write_features(
      directory / "gaps.h5", test::feature_schema(20, {"a", "b", "c", "d", "ghost"}), clouds.rows, labels)};
  ThreadPool pool(1);
  Notes notes;
  HeadTraining training(options, pool, notes);
  CHECK(training.plan().at("classes") == 4);
  CHECK(training.plan().at("samples").at("unlabelled") == 2);
  REQUIRE(notes.lines.size() == 2);
  CHECK(notes.lines[0].find("ghost") != std::string::npos);
  CHECK(notes.lines[1].find("2 samples without a label") == 0);
}

TEST_CASE_FIXTURE(CloudFiles, "head training: constant features do no harm") {
  Tensor rows = clouds.rows;
  for (std::size_t i = 0; i < rows.rows(); ++i) rows.row<float>(i)[3] = 0.1F;
  for (HeadTrainingSettings options : one_of_each()) {
    INFO(name_of(options.kind), " ", options.optimiser);
    const auto file = directory / ("constant" + std::string(name_of(options.kind)) + options.optimiser + ".h5");
    options.features = {
        test::write_features(file, test::feature_schema(20, {"a", "b", "c", "d"}), rows, clouds.labels)};
    CHECK(mt::train(options).metrics.at("validation_score").at("accuracy").get<double>() > 0.85);
  }
}

}  // namespace
}  // namespace mt
