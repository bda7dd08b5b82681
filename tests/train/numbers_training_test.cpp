#include "train/numbers_training.h"

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "heads/regression_head.h"
#include "store/sample_writer.h"
#include "support/temporary_directory.h"
#include "train/ridge.h"

namespace mt {
namespace {

constexpr std::size_t kWidth = 3;

// Features around 5; the target is 2 a - c + 100, but of every eighth sample 50 more: a blunder of the instrument.
Batch samples(std::size_t n, std::uint64_t seed, double blunder = 50) {
  Batch batch;
  batch.rows = Tensor(DType::f32, {n, kWidth});
  batch.targets = Tensor(DType::f32, {n, 1});
  Random random(seed);
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = batch.rows.row<float>(i);
    for (float& value : x) value = static_cast<float>(5 + random.normal());
    batch.targets.row<float>(i)[0] = 2 * x[0] - x[2] + 100 + static_cast<float>(i % 8 == 0 ? blunder : 0);
    batch.ids.push_back("s" + std::to_string(i));
    batch.index.push_back(static_cast<std::int64_t>(i));
  }
  return batch;
}

std::string write(const std::filesystem::path& path, const Batch& batch, const std::string& target = "price") {
  Schema schema;
  schema.kind = Kind::features;
  schema.creator = "test";
  schema.width = batch.rows.columns();
  schema.ragged = false;
  schema.target_width = batch.targets.columns();
  schema.target_names = {target};
  const auto writer = SampleWriter::create(path.string(), schema, {});
  writer->write(batch);
  writer->finish({});
  return path.string();
}

HeadTrainingSettings settings_for(const std::string& file, const char* loss) {
  HeadTrainingSettings settings;
  settings.features = {file};
  settings.regression = true;
  settings.loss = loss_named(loss);
  settings.optimiser = "adamw";
  settings.select = Criterion::loss;
  settings.validation = 0.2;
  settings.batch = 32;
  settings.loop.epochs = 60;
  settings.loop.schedule.rate = 0.02;
  return settings;
}

RegressionHead train(const HeadTrainingSettings& settings, std::size_t threads = 2) {
  ThreadPool pool(threads);
  Progress silent;
  TrainingLog log;
  StateFile states;
  NumbersTraining training(settings, pool, silent);
  Watch watch{silent, log, states, std::nullopt};
  return RegressionHead::from(training.train(watch).part);
}

// Mean distance between what a head predicts and what the instrument should have said.
double distance(const RegressionHead& head) {
  ThreadPool pool(1);
  const Batch truth = samples(200, 99, 0);
  const Tensor predicted = head.predict(truth.rows, pool);
  double sum = 0;
  for (std::size_t i = 0; i < 200; ++i)
    sum += std::abs(static_cast<double>(predicted.as<float>()[i]) - static_cast<double>(truth.targets.as<float>()[i]));
  return sum / 200;
}

TEST_CASE("numbers training: blunders draw the squared error away, and not the absolute one or Huber's") {
  const test::TemporaryDirectory directory;
  const std::string file = write(directory / "train.h5", samples(800, 1));
  CHECK(distance(train(settings_for(file, "mse"))) > 5);  // an eighth of 50
  CHECK(distance(train(settings_for(file, "l1"))) < 0.2);
  CHECK(distance(train(settings_for(file, "huber:0.05"))) < 0.5);
}

TEST_CASE("numbers training: the least squared error is the one that is solved exactly") {
  const test::TemporaryDirectory directory;
  const std::string file = write(directory / "train.h5", samples(800, 1));
  HeadTrainingSettings settings = settings_for(file, "mse");
  settings.validation = 0;
  settings.loop.optimiser.weight_decay = 0;
  RidgeSettings exact;
  exact.features = {file};
  exact.validation = 0;
  exact.l2 = {1e-9};
  ThreadPool pool(2);
  Progress silent;
  const Tensor x = samples(20, 7).rows;
  const Tensor a = train(settings).predict(x, pool), b = fit_ridge(exact, pool, silent).head.predict(x, pool);
  for (std::size_t i = 0; i < 20; ++i) CHECK(a.as<float>()[i] == doctest::Approx(b.as<float>()[i]).epsilon(2e-3));
}

TEST_CASE("numbers training: an mlp learns what no linear map gives, and any number of threads gives the same bytes") {
  const test::TemporaryDirectory directory;
  Batch batch = samples(600, 1, 0);
  for (std::size_t i = 0; i < 600; ++i) {
    const float a = batch.rows.row<float>(i)[0] - 5;
    batch.targets.row<float>(i)[0] = a * a;
  }
  HeadTrainingSettings settings = settings_for(write(directory / "train.h5", batch), "mse");
  settings.kind = HeadKind::mlp;
  settings.hidden = {16};
  const RegressionHead head = train(settings, 1);
  ThreadPool pool(1);
  const Tensor y = head.predict(Tensor::of<float>({3, 3}, {5, 5, 5, 6.5F, 5, 5, 3.5F, 5, 5}), pool);
  CHECK(std::abs(y.as<float>()[0]) < 0.4F);
  CHECK(y.as<float>()[1] == doctest::Approx(2.25).epsilon(0.2));
  CHECK(y.as<float>()[2] == doctest::Approx(2.25).epsilon(0.2));
  CHECK(digest_of(head.to_part()) == digest_of(train(settings, 3).to_part()));
}

TEST_CASE("numbers training: samples that cannot be learned from are named") {
  const test::TemporaryDirectory directory;
  const auto refuses = [](const std::string& file, const char* loss, const char* why) {
    CHECK_THROWS_WITH_AS(train(settings_for(file, loss)), doctest::Contains(why), Error);
  };
  Batch bad = samples(40, 1);
  bad.rows.row<float>(3)[1] = std::nanf("");
  refuses(write(directory / "nan.h5", bad), "l1", "nan.h5: s3: has a feature that is not finite");
  bad = samples(40, 1);
  bad.targets.row<float>(5)[0] = std::nanf("");
  refuses(write(directory / "target.h5", bad), "huber", "target.h5: s5: has a target that is not finite");
  refuses(write(directory / "large.h5", samples(40, 1)), "bce", "bce takes 0 to 1");
  HeadTrainingSettings two = settings_for(write(directory / "a.h5", samples(40, 1)), "l1");
  two.features.push_back(write(directory / "b.h5", samples(40, 1), "weight"));
  CHECK_THROWS_WITH_AS(train(two), doctest::Contains("has other targets"), Error);
}

}  // namespace
}  // namespace mt
