// Series in NumPy arrays: the first dimension counts them.
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "decode/class_labels.h"
#include "decode/label_file.h"
#include "decode/sample_id.h"
#include "decode/series/series_source.h"
#include "decode/stored_array.h"

namespace mt {

namespace {

class CaseArray final : public SeriesSource {
 public:
  explicit CaseArray(const SeriesSourceOptions& options) : channels_first_(options.channels_first) {
    if (options.inputs.size() != 1)
      throw UsageError(options.inputs[1], "is a second array", "give arrays of series one by one");
    const std::filesystem::path path = options.inputs[0];
    name_ = sample_id(path.filename().string(), options.id_stem);
    std::string own_labels;
    if (array_format(path) == ArrayFormat::npz) {
      const NpzChoice choice = choose_npz_arrays(list_npz(path), options.array, options.label_array, path.string());
      array_ = open_npz(path, choice.pictures);
      own_labels = choice.labels;
    } else {
      array_ = open_npy(path);
    }
    const Shape& shape = array_.header.shape;
    if (array_.header.is_text() || shape.size() < 2 || shape.size() > 3 || shape[1] == 0 || shape.back() == 0) {
      throw Error(array_.where, fmt::format("has the shape {}", to_string(shape)),
                  "series are [cases, steps] or [cases, steps, channels]; a recording needs --window");
    }
    channels_ = shape.size() == 2 ? 1 : shape[channels_first_ ? 1 : 2];
    // A row is held, as it is and as float32, by each thread.
    require_within(array_.header.row_bytes(), std::uint64_t{1} << 30, array_.where, "a series");
    read_labels(options, path, own_labels);
  }

  std::size_t size() const override { return array_.rows(); }
  std::string id(std::size_t i) const override { return fmt::format("{}#{}", name_, i); }
  bool has_labels() const override { return labelled_; }
  const std::vector<std::string>& label_names() const override { return labels_.names(); }
  std::int32_t label(std::size_t i) const override { return labelled_ ? labels_[i] : -1; }
  std::size_t channels() const override { return channels_; }
  const std::vector<std::string>& channel_names() const override { return no_names_; }

  Loaded load(std::size_t i) const override {
    const Tensor row = array_.row(i).to(DType::f32);
    Loaded loaded;
    loaded.values =
        channels_first_ && row.shape().size() == 2 ? transposed(row) : row.reshaped({row.shape()[0], channels_});
    loaded.digest = digest(i);
    return loaded;
  }

  Digest digest(std::size_t i) const override {
    const std::size_t bytes = array_.header.row_bytes();
    return sha256(array_.elements.subspan(i * bytes, bytes));
  }

  void for_each_training_block(const std::function<void(const Tensor&)>& visit) const override {
    for (std::size_t i = 0; i < size(); ++i) {
      throw_if_interrupted();
      visit(load(i).values);
    }
  }

 private:
  static Tensor transposed(const Tensor& row) {
    const std::size_t channels = row.shape()[0], steps = row.shape()[1];
    Tensor out(DType::f32, {steps, channels});
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t t = 0; t < steps; ++t) out.row<float>(t)[c] = row.row<float>(c)[t];
    }
    return out;
  }

  void read_labels(const SeriesSourceOptions& options, const std::filesystem::path& path,
                   const std::string& own_labels) {
    labelled_ = !options.labels.empty() || !own_labels.empty();
    if (!options.labels.empty()) {
      labels_ = read_label_file({options.labels, {}, options.label_array, options.id_stem}, size(),
                                [this](std::size_t i) { return id(i); }, {});
    } else if (!own_labels.empty()) {
      add_array_labels(labels_, open_npz(path, own_labels), size());
    }
    labels_.finish();
  }

  StoredArray array_;
  ClassLabels labels_;
  std::string name_;
  std::vector<std::string> no_names_;
  std::size_t channels_ = 0;
  bool channels_first_, labelled_ = false;
};

}  // namespace

std::unique_ptr<SeriesSource> open_case_arrays(const SeriesSourceOptions& options) {
  return std::make_unique<CaseArray>(options);
}

}  // namespace mt
