#include "train/ridge.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <Eigen/Cholesky>
#include <Eigen/Core>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "heads/feature_matrix.h"
#include "kernels/gemm.h"
#include "store/grouping.h"
#include "store/sample_reader.h"
#include "train/hold_out.h"

namespace mt {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::size_t kBlock = 1024;  // samples whose products are summed in float32 before they meet the doubles
constexpr std::size_t kStripe = 128;  // rows of the product that one worker makes

// All samples of some files, in order: features [n, D], targets [n, K], and ids.
class Samples {
 public:
  explicit Samples(const std::vector<std::string>& files) : files_(files) {
    for (const std::string& file : files) {
      if (file == "-")
        throw Error(file, "can be read once only, regression reads its features twice", "save them first");
      take(file, SampleReader::open(file)->schema());
    }
  }

  void for_each(const std::function<void(const Batch&, const Tensor&)>& visit) {
    for (const std::string& file : files_) {
      const auto reader = SampleReader::open(file);
      const std::size_t rows = kBlock * std::max<std::size_t>(1, input_.rows);
      while (auto batch = reader->next(rows, kBlock)) {
        throw_if_interrupted();
        if (batch->samples() == 0) continue;
        const Tensor features = feature_matrix(*batch, input_.rows);
        input_.rows = std::max<std::size_t>(1, features.columns() / batch->rows.columns());
        if (width_ == 0) width_ = features.columns();
        require_finite(*batch, features, file);
        visit(*batch, features);
      }
    }
  }

  std::size_t width() const { return width_; }
  std::size_t targets() const { return targets_; }
  const HeadInput& input() const { return input_; }
  const std::vector<std::string>& target_names() const { return target_names_; }
  void expect(const Samples& other) {
    input_.rows = other.input_.rows;
    if (targets_ != other.targets_)
      throw Error(files_[0], fmt::format("has {} targets, the training samples have {}", targets_, other.targets_));
  }

 private:
  void take(const std::string& file, const Schema& schema) {
    if (schema.target_width == 0) {
      throw Error(
          file, "has no /targets",
          schema.has_labels ? "leave --task regression out to learn its classes" : "tokenize data with targets");
    }
    if (targets_ == 0) {
      targets_ = schema.target_width;
      target_names_ = schema.target_names;
      input_ = head_input_of(schema, schema.ragged ? 0 : 1);
      row_width_ = schema.width;
    }
    if (schema.target_width != targets_ || schema.target_names != target_names_ || schema.width != row_width_ ||
        schema.kind != input_.kind) {
      throw Error(file, fmt::format("has other targets, or rows of another kind or width than {}", files_[0]));
    }
  }

  static void require_finite(const Batch& batch, const Tensor& features, const std::string& file) {
    for (std::size_t i = 0; i < batch.samples(); ++i) {
      const auto finite = [](float x) { return std::isfinite(x); };
      const auto x = features.row<float>(i), y = batch.targets.row<float>(i);
      if (std::all_of(x.begin(), x.end(), finite) && std::all_of(y.begin(), y.end(), finite)) continue;
      throw Error(fmt::format("{}: {}", file, printable(batch.ids[i])), "has a feature or target that is not finite");
    }
  }

  std::vector<std::string> files_;
  std::size_t width_ = 0, targets_ = 0, row_width_ = 0;
  HeadInput input_;
  std::vector<std::string> target_names_;
};

// Sums of x x', x y' and y y over samples: all that the errors of any linear map depend on.
class Products {
 public:
  Products(std::size_t width, std::size_t targets)
      : xx_(Matrix::Zero(static_cast<Eigen::Index>(width), static_cast<Eigen::Index>(width))),
        xy_(Matrix::Zero(static_cast<Eigen::Index>(width), static_cast<Eigen::Index>(targets))) {}

  // x: [n, D], y: [n, K].
  void add(const std::vector<float>& x, const std::vector<float>& y, std::size_t n, ThreadPool& pool) {
    const auto width = static_cast<std::size_t>(xx_.rows()), targets = static_cast<std::size_t>(xy_.cols());
    pool.parallel_for((width + kStripe - 1) / kStripe, [&](std::size_t stripe, std::size_t) {
      const std::size_t first = stripe * kStripe, rows = std::min(kStripe, width - first);
      std::vector<float> product(rows * std::max(width, targets));
      const GemmOperand left{x.data() + first, width, OperandForm::transposed};
      gemm(rows, width, n, left, {x.data(), width}, product.data(), width);
      for (std::size_t i = 0; i < rows * width; ++i) xx_.data()[first * width + i] += static_cast<double>(product[i]);
      gemm(rows, targets, n, left, {y.data(), targets}, product.data(), targets);
      for (std::size_t i = 0; i < rows * targets; ++i)
        xy_.data()[first * targets + i] += static_cast<double>(product[i]);
    });
    for (std::size_t i = 0; i < n * targets; ++i) yy_ += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    count_ += n;
  }

  void add(const Products& other) {
    xx_ += other.xx_;
    xy_ += other.xy_;
    yy_ += other.yy_;
    count_ += other.count_;
  }

  Matrix solve(double l2) const {
    const double n = static_cast<double>(count_);
    Matrix system = xx_ / n;
    system.diagonal().array() += l2;
    const Eigen::LLT<Matrix> cholesky(system);
    if (cholesky.info() != Eigen::Success)
      throw Error("--l2", fmt::format("{:g} is too small for these features, which depend on each other", l2),
                  "raise it");
    return cholesky.solve(xy_ / n);
  }

  // Mean squared error over samples and targets of y = W' x.
  double error(const Matrix& weights) const {
    const double sum =
        yy_ - 2 * (weights.array() * xy_.array()).sum() + (weights.array() * (xx_ * weights).array()).sum();
    return std::max(0.0, sum) / (static_cast<double>(count_) * static_cast<double>(xy_.cols()));
  }

  std::size_t count() const { return count_; }

 private:
  Matrix xx_, xy_;
  double yy_ = 0;
  std::size_t count_ = 0;
};

struct Means {
  Standardisation features;
  std::vector<float> targets;
  std::vector<std::uint32_t> groups;
  std::size_t samples = 0;
};

Means measure(Samples& samples, const std::string& group) {
  Means means;
  std::optional<Moments> moments;
  std::vector<double> sums(samples.targets());
  std::optional<Grouping> grouping;
  if (!group.empty()) grouping.emplace(group);
  std::map<std::string, std::uint32_t> numbers;
  samples.for_each([&](const Batch& batch, const Tensor& features) {
    if (features.columns() > kWidestRidge) {
      throw Error("features", fmt::format("are {} wide, regression takes up to {}", features.columns(), kWidestRidge),
                  "pool them: mt-encode --pool mean");
    }
    if (!moments) moments.emplace(features.columns());
    moments->add(features.as<float>().data(), features.rows());
    for (std::size_t i = 0; i < batch.samples(); ++i) {
      const auto y = batch.targets.row<float>(i);
      for (std::size_t k = 0; k < y.size(); ++k) sums[k] += static_cast<double>(y[k]);
      if (grouping)
        means.groups.push_back(
            numbers.emplace(grouping->group_of(batch.ids[i]), static_cast<std::uint32_t>(numbers.size()))
                .first->second);
    }
    means.samples += batch.samples();
  });
  if (means.samples == 0) throw Error("features", "hold no samples", "check them with mt-inspect");
  means.features = moments->standardisation();
  for (const double sum : sums) means.targets.push_back(static_cast<float>(sum / static_cast<double>(means.samples)));
  return means;
}

// Adds each sample, centred, to the products that chosen(i) names; null leaves it out.
void accumulate(Samples& samples, const Means& means, const std::function<Products*(std::size_t)>& chosen,
                ThreadPool& pool, Progress& progress) {
  std::size_t number = 0;
  samples.for_each([&](const Batch& batch, const Tensor& features) {
    std::map<Products*, std::pair<std::vector<float>, std::vector<float>>> parts;
    const std::size_t width = features.columns();
    for (std::size_t i = 0; i < batch.samples(); ++i) {
      auto& [x, y] = parts[chosen(number++)];
      x.resize(x.size() + width);
      means.features.apply(features.row<float>(i).data(), x.data() + x.size() - width, 1);
      const auto target = batch.targets.row<float>(i);
      for (std::size_t k = 0; k < target.size(); ++k) y.push_back(target[k] - means.targets[k]);
    }
    for (const auto& [products, rows] : parts) {
      if (products != nullptr) products->add(rows.first, rows.second, rows.first.size() / width, pool);
    }
    progress.advance(static_cast<std::int64_t>(batch.samples()), 0);
  });
}

}  // namespace

nlohmann::json RidgeSettings::to_json() const {
  return {{"task", "regression"},
          {"validation", validation_files.empty() ? validation : 1.0},
          {"group", group},
          {"l2", l2},
          {"seed", seed}};
}

RidgeFit fit_ridge(const RidgeSettings& settings, ThreadPool& pool, Progress& progress) {
  Samples samples(settings.features);
  const Means means = measure(samples, settings.group);
  const bool held_out = settings.validation_files.empty() && settings.validation > 0;
  std::vector<bool> validates(means.samples);
  if (held_out) {
    const std::vector<std::int32_t> one_class(means.samples, 0);
    for (const std::size_t i : hold_out(one_class, 1, means.groups, settings.validation, settings.seed).validation)
      validates[i] = true;
  }
  Products train(samples.width(), samples.targets()), validation(samples.width(), samples.targets());
  accumulate(
      samples, means, [&](std::size_t i) { return validates[i] ? &validation : &train; }, pool, progress);
  if (!settings.validation_files.empty()) {
    Samples others(settings.validation_files);
    others.expect(samples);
    accumulate(
        others, means, [&](std::size_t) { return &validation; }, pool, progress);
    if (others.width() != samples.width())
      throw Error(settings.validation_files[0],
                  fmt::format("is {} wide, the training samples are {}", others.width(), samples.width()));
  }

  std::vector<double> candidates = settings.l2;
  if (candidates.empty()) candidates = {1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100};
  RidgeFit fit;
  std::optional<Matrix> best;
  double least = 0, chosen = candidates[0];
  nlohmann::json tried = nlohmann::json::array();
  for (const double l2 : candidates) {
    throw_if_interrupted();
    if (validation.count() == 0) break;
    Matrix weights = train.solve(l2);
    const double error = validation.error(weights);
    tried.push_back({{"l2", l2}, {"mse", error}});
    if (best && error >= least) continue;
    least = error;
    chosen = l2;
    best = std::move(weights);
  }
  fit.metrics = {{"samples", {{"train", train.count()}, {"validation", validation.count()}}},
                 {"targets", samples.targets()},
                 {"l2", chosen},
                 {"candidates", tried}};
  if (best) fit.metrics["validation_mse"] = least;
  if (held_out) train.add(validation);
  if (held_out || !best) best = train.solve(chosen);
  fit.metrics["train_mse"] = train.error(*best);

  fit.head.input = samples.input();
  fit.head.target_names = samples.target_names();
  fit.head.standardisation = means.features;
  Tensor weight(DType::f32, {samples.targets(), samples.width()});
  for (std::size_t k = 0; k < samples.targets(); ++k) {
    for (std::size_t d = 0; d < samples.width(); ++d)
      weight.row<float>(k)[d] = static_cast<float>((*best)(static_cast<Eigen::Index>(d), static_cast<Eigen::Index>(k)));
  }
  std::map<std::string, Tensor> tensors;
  tensors.emplace("layers.0.weight", std::move(weight));
  tensors.emplace("layers.0.bias", Tensor::of<float>({samples.targets()}, std::span<const float>(means.targets)));
  fit.head.network = Network({.inputs = samples.width(), .outputs = samples.targets(), .hidden = {}}, tensors);
  fit.head.training = settings.to_json();
  fit.head.training["metrics"] = fit.metrics;
  return fit;
}

}  // namespace mt
