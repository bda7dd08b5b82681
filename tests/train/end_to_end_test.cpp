#include "train/end_to_end_training.h"

#include <doctest/doctest.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "heads/head.h"
#include "heads/regression_head.h"
#include "patch_file.h"
#include "support/temporary_directory.h"
#include "tokenize/image_tokenizer.h"

namespace mt {
namespace {

using Scope = EncoderTraining::Scope;

struct Slopes {
  test::TemporaryDirectory directory;
  std::string file = test::write_patches(directory / "slopes.h5", test::slopes(16));

  EndToEndSettings settings(bool tokenizer, Scope scope) const {
    EndToEndSettings settings;
    settings.head.features = {file};
    settings.head.validation_files = {file};
    settings.head.optimiser = "adamw";
    settings.head.loop.epochs = 6;
    settings.head.loop.schedule.rate = 2e-3;
    settings.head.loop.clip = 1;
    settings.head.batch = 6;
    settings.tokenizer = tokenizer;
    settings.encoder.scope = scope;
    return settings;
  }
};

TrainedModel train(const EndToEndSettings& settings, std::size_t threads = 2, Model model = test::small_model()) {
  ThreadPool pool(threads);
  Progress silent;
  TrainingLog log;
  StateFile states;
  EndToEndTraining training(settings, std::move(model), pool, silent);
  Watch watch{silent, log, states, std::nullopt};
  return training.train(watch);
}

std::string digest(const Model& model) {
  Model copy = model;
  for (auto& [name, part] : copy.parts) part.digests.clear();
  return hex(digest_of(copy));
}

double accuracy(const TrainedModel& trained) { return trained.metrics["validation_score"]["accuracy"].get<double>(); }

TEST_CASE_FIXTURE(Slopes, "end to end: a whole model overfits 16 samples") {
  EndToEndSettings whole = settings(true, Scope::all);
  whole.head.loop.epochs = 12;
  const TrainedModel trained = train(whole);
  CHECK(accuracy(trained) == 1);
  CHECK(trained.metrics["validation_score"]["loss"].get<double>() < 0.05);
  const auto& counts = trained.metrics["parameters"];
  CHECK(counts["trained"] == counts["head"].get<std::size_t>() + counts["tokenizer"].get<std::size_t>() +
                                 counts["encoder"].get<std::size_t>());
}

TEST_CASE_FIXTURE(Slopes, "end to end: a frozen encoder stays as it is while tokenizer and head learn") {
  const Model before = test::small_model();
  const TrainedModel trained = train(settings(true, Scope::nothing));
  CHECK(digest_of(trained.model.part("encoder")) == digest_of(before.part("encoder")));
  CHECK(digest_of(trained.model.part("tokenizer/time-series")) != digest_of(before.part("tokenizer/time-series")));
  const auto head = Head::from(trained.model.part("head"));
  CHECK(head->description().input.pool == "cls");
  CHECK(head->class_names() == std::vector<std::string>{"falls", "rises"});
  const auto& counts = trained.metrics["parameters"];
  CHECK(counts["tokenizer"] == (test::kPatchWidth + 1 + 1 + test::kLongest + 1) * 192);
  CHECK(counts["head"] == 2 * 193);
  CHECK(counts["trained"] == counts["head"].get<std::size_t>() + counts["tokenizer"].get<std::size_t>());
  // And learning through it helps: the head alone, on what the untrained tokenizer makes, is left behind.
  const TrainedModel head_only = train(settings(false, Scope::nothing));
  CHECK(digest_of(head_only.model.part("tokenizer/time-series")) == digest_of(before.part("tokenizer/time-series")));
  CHECK(trained.metrics["validation_score"]["loss"].get<double>() <
        head_only.metrics["validation_score"]["loss"].get<double>());
}

TEST_CASE_FIXTURE(Slopes, "end to end: the same bytes for any number of threads, with everything random on") {
  EndToEndSettings random = settings(true, Scope::all);
  random.head.kind = HeadKind::mlp;
  random.head.hidden = {16};
  random.head.dropout = 0.2;
  random.augmentation = augmentation_named("drop:0.3,noise:0.1,gain:0.1,mixup:0.5");
  random.encoder.stochastic_depth = 0.2;
  random.head.loop.ema = 0.9;
  random.head.loop.epochs = 2;
  const std::string one = digest(train(random, 1).model);
  CHECK(one == digest(train(random, 2).model));
  CHECK(one == digest(train(random, 3).model));
  random.head.seed = 1;
  CHECK(one != digest(train(random, 2).model));
}

TEST_CASE_FIXTURE(Slopes, "end to end: a batch taken in pieces has the gradient of the whole") {
  EndToEndSettings whole = settings(true, Scope::nothing), pieces = whole;
  whole.head.loop.epochs = pieces.head.loop.epochs = 1;
  pieces.budget = 7;
  const TrainedModel a = train(whole), b = train(pieces);
  const auto& left = a.model.part("tokenizer/time-series").at("patch.weight");
  const auto& right = b.model.part("tokenizer/time-series").at("patch.weight");
  double difference = 0;
  for (std::size_t i = 0; i < left.size(); ++i)
    difference = std::max<double>(difference, std::fabs(left.as<float>()[i] - right.as<float>()[i]));
  // Three steps of rate 2e-3: what rounding does to a nearly zero gradient, Adam's division shows.
  CHECK(difference < 2e-4);
}

struct StopAfter : Progress {
  int calls;
  explicit StopAfter(int calls_) : calls(calls_) {}
  void advance(std::int64_t, std::int64_t) override {
    if (--calls == 0) request_interrupt(SIGTERM);
  }
};

TEST_CASE_FIXTURE(Slopes, "end to end: a run that is stopped anywhere and resumed ends in the same bytes") {
  EndToEndSettings random = settings(true, Scope::norms);
  random.head.loop.epochs = 3;
  random.head.loop.ema = 0.8;
  random.augmentation = augmentation_named("drop:0.2,noise:0.2");
  const std::string expected = digest(train(random).model);
  for (const int steps : {1, 4, 7}) {
    CAPTURE(steps);
    const std::string path = (directory / "run.part").string();
    ThreadPool pool(2);
    TrainingLog log;
    {
      StopAfter stop(steps);
      EndToEndTraining training(random, test::small_model(), pool, stop);
      StateFile states(path, training.run(), 1e9);
      Watch watch{stop, log, states, std::nullopt};
      CHECK_THROWS_AS(training.train(watch), Interrupted);
      request_interrupt(0);
    }
    Progress silent;
    EndToEndTraining training(random, test::small_model(), pool, silent);
    StateFile states(path, training.run(), 1e9);
    auto resumed = states.load();
    REQUIRE(resumed.has_value());
    Watch watch{silent, log, states, std::move(resumed)};
    CHECK(digest(training.train(watch).model) == expected);
    states.remove();
  }
}

TEST_CASE_FIXTURE(Slopes, "end to end: a value that is not finite stops with the step and the sample's name") {
  Batch batch = test::slopes(16);
  batch.rows.row<float>(batch.row_begin(7))[2] = std::numeric_limits<float>::quiet_NaN();
  EndToEndSettings broken = settings(true, Scope::nothing);
  broken.head.standardise = false;
  broken.head.features = {test::write_patches(directory / "broken.h5", batch)};
  CHECK_THROWS_WITH_AS(train(broken), doctest::Contains("broken.h5: s7: has a patch value that is not finite"), Error);
  CHECK_THROWS_WITH_AS(train(broken), doctest::Contains("training: step "), Error);
  EndToEndSettings wild = settings(true, Scope::all);
  wild.head.loop.schedule.rate = 1e30;
  wild.head.loop.clip = 0;
  CHECK_THROWS_AS(train(wild), Error);
}

TEST_CASE_FIXTURE(Slopes, "end to end: training goes on from a trained head") {
  EndToEndSettings head_only = settings(false, Scope::nothing);
  head_only.head.loop.epochs = 40;
  Model begun = train(head_only).model;
  EndToEndSettings more = settings(true, Scope::nothing);
  more.head.loop.epochs = 1;
  more.head.loop.schedule.rate = 1e-9;
  const double loss = train(head_only).metrics["validation_score"]["loss"].get<double>();
  CHECK(train(more, 2, begun).metrics["validation_score"]["loss"].get<double>() == doctest::Approx(loss).epsilon(1e-4));
  Schema other = test::patch_schema();
  other.label_names = {"down", "up"};
  more.head.validation_files.clear();
  more.head.features = {test::write_patches(directory / "other.h5", test::slopes(16), other)};
  CHECK_THROWS_WITH_AS(train(more, 2, begun), doctest::Contains("its head takes"), Error);
}

// Two columns of numbers: one far from 0, one of zeros and ones.
struct Numbers : Slopes {
  std::string numbers =
      test::write_patches(directory / "numbers.h5", test::slopes_with_targets(16), test::target_schema());

  EndToEndSettings settings_of(const char* loss, std::size_t epochs = 12) const {
    EndToEndSettings result = settings(true, Scope::nothing);
    result.head.features = result.head.validation_files = {numbers};
    result.head.regression = true;
    result.head.select = Criterion::loss;
    result.head.loss = loss_named(loss);
    result.head.loop.epochs = epochs;
    return result;
  }
};

// What the head says of features at the training samples' mean.
std::vector<float> prediction_at_mean(const TrainedModel& trained) {
  const RegressionHead head = RegressionHead::from(trained.model.part("head"));
  ThreadPool pool(1);
  const Tensor made =
      head.predict(Tensor::of<float>({1, head.width()}, std::span<const float>(head.standardisation.mean)), pool);
  const auto values = made.as<float>();
  return {values.begin(), values.end()};
}

TEST_CASE_FIXTURE(Numbers, "end to end: numbers are learned in their own units, by squares, distances and huber's") {
  for (const char* loss : {"mse", "l1", "huber:0.5"}) {
    CAPTURE(loss);
    const TrainedModel trained = train(settings_of(loss));
    const auto& score = trained.metrics["validation_score"];
    CHECK_FALSE(score.contains("accuracy"));
    // The mean of both columns' variances, which is what their means would miss: (700^2 + 0.5^2) / 2.
    CHECK(score["mse"].get<double>() < 0.1 * 245000);
    const RegressionHead head = RegressionHead::from(trained.model.part("head"));
    CHECK(head.target_names == std::vector<std::string>{"slope", "rises"});
    CHECK(head.input.pool == "cls");
    CHECK_FALSE(head.sigmoid);
    const auto at_mean = prediction_at_mean(trained);
    CHECK(at_mean[0] == doctest::Approx(5000).epsilon(0.1));
    CHECK(at_mean[1] == doctest::Approx(0.5).epsilon(0.5));
    CHECK(digest(trained.model) == digest(train(settings_of(loss), 3).model));
  }
  const double squares = train(settings_of("mse")).metrics["fit"]["loss"];
  CHECK(squares != train(settings_of("l1")).metrics["fit"]["loss"].get<double>());
}

TEST_CASE_FIXTURE(Numbers,
                  "end to end: the head's score is the one that training reported, and training goes on from it") {
  const TrainedModel first = train(settings_of("huber", 6));
  EndToEndSettings more = settings_of("huber", 1);
  more.head.loop.schedule.rate = 1e-9;
  const TrainedModel second = train(more, 2, first.model);
  CHECK(second.metrics["validation_score"]["mse"].get<double>() ==
        doctest::Approx(first.metrics["validation_score"]["mse"].get<double>()).epsilon(1e-3));
  CHECK_THROWS_WITH_AS(train(settings(true, Scope::nothing), 2, first.model), doctest::Contains("predicts numbers"),
                       Error);
  CHECK_THROWS_WITH_AS(train(settings_of("mse"), 2, train(settings(true, Scope::nothing)).model),
                       doctest::Contains("for classes"), Error);
}

TEST_CASE_FIXTURE(Numbers, "end to end: probabilities by bce, of 0 to 1 only") {
  CHECK_THROWS_WITH_AS(train(settings_of("bce")), doctest::Contains("numbers.h5: s0: has the target 4300"), Error);
  Batch batch = test::slopes_with_targets(16);
  for (std::size_t i = 0; i < 16; ++i) batch.targets.row<float>(i)[0] = i % 2 == 0 ? 0.1F : 1.0F;
  EndToEndSettings bce = settings_of("bce");
  bce.head.features =
      bce.head.validation_files = {test::write_patches(directory / "shares.h5", batch, test::target_schema())};
  const TrainedModel trained = train(bce);
  CHECK(RegressionHead::from(trained.model.part("head")).sigmoid);
  CHECK(trained.metrics["validation_score"]["mse"].get<double>() < 0.05);
  for (const float share : prediction_at_mean(trained)) {
    CHECK(share > 0);
    CHECK(share < 1);
  }
  batch.targets.row<float>(5)[1] = std::numeric_limits<float>::infinity();
  bce.head.features = {test::write_patches(directory / "infinite.h5", batch, test::target_schema())};
  CHECK_THROWS_WITH_AS(train(bce), doctest::Contains("infinite.h5: s5: has a target that is not finite"), Error);
  bce.head.features = {file};
  CHECK_THROWS_WITH_AS(train(bce), doctest::Contains("has no /targets"), Error);
}

TEST_CASE_FIXTURE(Numbers, "end to end: classes are learned though there are numbers beside them") {
  EndToEndSettings classes = settings(true, Scope::nothing);
  const TrainedModel expected = train(classes);
  classes.head.features = classes.head.validation_files = {numbers};
  CHECK(train(classes).metrics["validation_score"] == expected.metrics["validation_score"]);
}

TEST_CASE_FIXTURE(Slopes, "end to end: classes are learned by focal loss, and each against the rest") {
  for (const char* loss : {"focal:2", "bce"}) {
    CAPTURE(loss);
    EndToEndSettings other = settings(true, Scope::all);
    other.head.loss = loss_named(loss);
    other.head.loop.epochs = 12;
    const TrainedModel trained = train(other);
    CHECK(accuracy(trained) == 1);
    CHECK(Head::from(trained.model.part("head"))->description().one_vs_rest == (std::string(loss) == "bce"));
  }
}

TEST_CASE("end to end: bytes of a picture become the tokens that mt-tokenize would make") {
  // given the patches of two pictures of 8 x 8, as bytes, and a tokenizer for pictures of another size
  const Size size{8, 8};
  const Normalization constants{{0.4F, 0.5F, 0.6F}, {0.2F, 0.25F, 0.3F}};
  Model model;
  model.parts["tokenizer/image"] = initial_image_tokenizer(32, 4, constants, {16, 16}, 3);
  Schema schema = test::patch_schema(3 * 4 * 4);
  schema.modality = "image";
  schema.dtype = DType::u8;
  schema.config = {{"patch", 4}, {"size", {8, 8}}, {"mean", constants.mean}, {"std", constants.std}};
  Tensor bytes(DType::u8, {8, 48}), normalised(DType::f32, {8, 48});
  Random random(9);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto value = static_cast<std::uint8_t>(random.below(256));
    const std::size_t channel = i % 48 / 16;
    bytes.as<std::uint8_t>()[i] = value;
    normalised.as<float>()[i] = (static_cast<float>(value) / 255.0F - constants.mean[channel]) / constants.std[channel];
  }
  Progress silent;
  const PatchTokenizer tokenizer = tokenizer_for_patches(model, schema, 32, false, 0, silent);
  const Tensor floats = PatchScale(schema).floats(bytes);
  CHECK(std::ranges::equal(floats.as<float>(), normalised.as<float>()));

  const std::vector<std::int64_t> offsets = {0, 4, 8};
  const Tensor none;
  const Tensor tokens = token_embedding_of(tokenizer.part)->forward({floats, none, none, none, offsets});
  const Tensor expected = ImageTokenizer(model.part("tokenizer/image"), size, constants).embed(floats);
  REQUIRE(tokens.shape() == expected.shape());
  for (std::size_t i = 0; i < tokens.size(); ++i)
    REQUIRE(tokens.as<float>()[i] == doctest::Approx(expected.as<float>()[i]).epsilon(1e-5));
  CHECK_THROWS_WITH_AS(tokenizer_for_patches(model, schema, 64, false, 0, silent), doctest::Contains("tokens of 32"),
                       Error);
  schema.width = 16;
  CHECK_THROWS_WITH_AS(tokenizer_for_patches(model, schema, 32, false, 0, silent),
                       doctest::Contains("takes patches of 3 x 4 x 4, these are 1 x 4 x 4"), Error);
  CHECK(tokenizer_for_patches(model, schema, 32, true, 0, silent).fresh);
}

}  // namespace
}  // namespace mt
