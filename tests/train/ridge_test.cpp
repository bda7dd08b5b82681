#include <cmath>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/random.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"
#include "support/temporary_directory.h"
#include "train/ridge.h"

using namespace mt;

namespace {

// n samples of three features around 5; targets 2 a - c + 1 and b / 10, with noise.
std::string write_samples(const std::filesystem::path& path, std::size_t n, double noise, std::uint64_t seed) {
  Schema schema;
  schema.kind = Kind::features;
  schema.creator = "test";
  schema.width = 3;
  schema.ragged = false;
  schema.target_width = 2;
  schema.target_names = {"first", "second"};
  const auto writer = SampleWriter::create(path.string(), schema, {});
  Batch batch;
  batch.rows = Tensor(DType::f32, {n, 3});
  batch.targets = Tensor(DType::f32, {n, 2});
  Random random(seed);
  for (std::size_t i = 0; i < n; ++i) {
    const auto x = batch.rows.row<float>(i), y = batch.targets.row<float>(i);
    for (float& value : x) value = static_cast<float>(5 + random.normal());
    y[0] = static_cast<float>(2 * static_cast<double>(x[0]) - static_cast<double>(x[2]) + 1 + noise * random.normal());
    y[1] = static_cast<float>(static_cast<double>(x[1]) / 10 + noise * random.normal());
    batch.ids.push_back("s" + std::to_string(i));
    batch.index.push_back(static_cast<std::int64_t>(i));
  }
  writer->write(batch);
  writer->finish({});
  return path.string();
}

}  // namespace

TEST_CASE("ridge: finds the linear map behind noiseless targets, and keeps it in its part") {
  const test::TemporaryDirectory directory;
  RidgeSettings settings;
  settings.features = {write_samples(directory / "train.h5", 500, 0, 1)};
  settings.l2 = {1e-9};
  ThreadPool pool(2);
  Progress quiet;
  const RidgeFit fit = fit_ridge(settings, pool, quiet);
  const RegressionHead head = RegressionHead::from(fit.head.to_part());
  const Tensor y = head.predict(Tensor::of<float>({2, 3}, {4, 5, 6, 1, 2, 3}), pool);
  CHECK(y.as<float>()[0] == doctest::Approx(3).epsilon(1e-4));
  CHECK(y.as<float>()[1] == doctest::Approx(0.5).epsilon(1e-4));
  CHECK(y.as<float>()[2] == doctest::Approx(0).epsilon(1e-3));
  CHECK(y.as<float>()[3] == doctest::Approx(0.2).epsilon(1e-4));
  CHECK(head.target_names == std::vector<std::string>{"first", "second"});
}

// scikit-learn: Ridge(alpha = l2 * n) on StandardScaler's features minimises the same sum. The oracle here is the
// normal equations' own statement: the slope of the objective is zero at the solution.
TEST_CASE("ridge: the slope of mean squared error + l2 |W|^2 is zero") {
  const test::TemporaryDirectory directory;
  RidgeSettings settings;
  settings.features = {write_samples(directory / "train.h5", 300, 1, 2)};
  settings.l2 = {0.5};
  settings.validation = 0;
  ThreadPool pool(1);
  Progress quiet;
  const RidgeFit fit = fit_ridge(settings, pool, quiet);
  const auto reader = SampleReader::open(settings.features[0]);
  const Batch batch = *reader->next(1000, 1000);
  const Tensor predicted = fit.head.predict(batch.rows, pool);
  const Tensor weight = fit.head.network.tensors().at("layers.0.weight");
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t d = 0; d < 3; ++d) {
      double slope = 0.5 * static_cast<double>(weight.row<float>(k)[d]);
      for (std::size_t i = 0; i < 300; ++i) {
        const double x =
            (static_cast<double>(batch.rows.row<float>(i)[d]) - static_cast<double>(fit.head.standardisation.mean[d])) /
            static_cast<double>(fit.head.standardisation.deviation[d]);
        slope += x * static_cast<double>(predicted.row<float>(i)[k] - batch.targets.row<float>(i)[k]) / 300;
      }
      CHECK(std::abs(slope) < 1e-5);
    }
  }
}

TEST_CASE("ridge: the penalty is chosen on validation samples; same bytes for any number of threads") {
  const test::TemporaryDirectory directory;
  RidgeSettings settings;
  settings.features = {write_samples(directory / "train.h5", 400, 0.1, 3)};
  settings.validation_files = {write_samples(directory / "val.h5", 100, 0.1, 4)};
  settings.l2 = {100, 1e-3, 10};
  ThreadPool one(1), three(3);
  Progress quiet;
  const RidgeFit fit = fit_ridge(settings, one, quiet);
  CHECK(fit.metrics["l2"] == 1e-3);
  CHECK(fit.metrics["validation_mse"].get<double>() == doctest::Approx(0.01).epsilon(0.3));
  CHECK(digest_of(fit.head.to_part()) == digest_of(fit_ridge(settings, three, quiet).head.to_part()));
}

TEST_CASE("regression heads: damaged parts are refused") {
  RegressionHead head;
  head.network = Network({.inputs = 3, .outputs = 2, .hidden = {4}}, 1);
  head.standardisation = {{0, 0, 0}, {1, 1, 1}};
  const Part good = head.to_part();
  CHECK_NOTHROW(RegressionHead::from(good));
  const auto refuses = [&](auto change) {
    Part part = good;
    change(part);
    CHECK_THROWS_AS(RegressionHead::from(part), Error);
  };
  refuses([](Part& p) { p.config["task"] = "classification"; });
  refuses([](Part& p) { p.config["targets"] = 3; });
  refuses([](Part& p) { p.config["width"] = 0; });
  refuses([](Part& p) { p.config["target_names"] = {"one"}; });
  refuses([](Part& p) { p.tensors.erase("layers.0.bias"); });
  refuses([](Part& p) { p.tensors["standardise.deviation"].as<float>()[1] = 0; });
  refuses([](Part& p) { p.tensors["layers.0.weight"].as<float>()[1] = NAN; });
  CHECK_THROWS_AS(Head::from(good), Error);
}
