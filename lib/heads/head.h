// What turns features into class scores: one interface over linear, MLP, nearest class mean and k nearest neighbours.
//
// The "head" part of a model file. Configuration:
//   task            "classification"
//   kind            "linear" | "mlp" | "nearest_mean" | "knn"
//   width           D, columns that the head takes
//   class_names     [C] strings, by number
//   input           what the training samples were: kind ("features", "patches", "tokens"), modality, rows (of one
//   sample,
//                   laid end to end; 1 for pooled features), digest (hexadecimal SHA-256 of those files' mt_config),
//                   pool (how the features were pooled, where the head learned together with what made them)
//   training        how it was trained: loss, optimiser, l2, schedule, seed, samples, validation metrics, ... (a record
//   for
//                   people; nothing reads it to decide)
//   scores          "one_vs_rest" where each logit was learned as a question of its own: probabilities are sigmoids,
//                   divided by their sum; absent: the softmax of the logits
//   hidden          mlp: widths of the hidden layers, e.g. [512, 256]
//   activation      mlp: "gelu" | "relu"
//   dropout         mlp: probability in training; not applied when scoring
//   distance        nearest_mean, knn: "euclidean" | "cosine"
//   scale           nearest_mean: what turns a squared distance or a cosine into a logit
//   k, vote         knn: number of neighbours; "uniform" | "distance" (weight 1 / distance, as scikit-learn)
// Tensors (standardised features are (x - mean) / deviation, where the head has these two):
//   standardise.mean, standardise.deviation [D] f32
//   layers.{i}.weight [outputs, inputs] f32, layers.{i}.bias [outputs] f32   linear (i = 0 alone) and mlp
//   means [C, D] f32                                                         nearest_mean, of standardised features
//   neighbours [N, D] f32 or f16, neighbour_labels [N] i32                   knn, of standardised features
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"
#include "base/threads.h"
#include "heads/standardisation.h"
#include "store/model.h"
#include "store/schema.h"

namespace mt {

enum class HeadKind : std::uint8_t { linear, mlp, nearest_mean, knn };
std::string_view name_of(HeadKind kind);          // as in the configuration
HeadKind head_kind_named(std::string_view name);  // "nearest-mean" too; throws Error

// Where a head's training samples came from, so that scoring other samples can be questioned.
struct HeadInput {
  Kind kind = Kind::features;
  std::string modality;   // empty: unknown
  std::size_t rows = 1;   // rows of one sample, laid end to end
  std::string digest;     // of the files' mt_config; empty: unknown
  std::string pool = {};  // pooling of the encoder that it learned with; empty: unknown
  bool operator==(const HeadInput&) const = default;
};
// rows: of each sample (1 for pooled features).
HeadInput head_input_of(const Schema& schema, std::size_t rows);
// As "input" of a head's configuration; throws Error when that is missing or damaged.
nlohmann::json to_json(const HeadInput& input);
HeadInput head_input_from(const nlohmann::json& config);

// What every kind of head has.
struct HeadDescription {
  std::string task = "classification";
  std::size_t width = 0;                 // D
  std::vector<std::string> class_names;  // [C]
  HeadInput input;
  std::optional<Standardisation> standardisation;
  bool one_vs_rest = false;  // linear and mlp: how logits become probabilities
  nlohmann::json training = nlohmann::json::object();
};

class Head {
 public:
  // Throws Error: unknown task or kind, missing tensors, shapes that disagree, values that are not finite.
  static std::unique_ptr<Head> from(const Part& part);
  virtual ~Head() = default;

  Part to_part() const;  // complete; Head::from gives an equal head
  virtual HeadKind kind() const = 0;
  const HeadDescription& description() const { return description_; }
  const std::string& task() const { return description_.task; }
  const std::vector<std::string>& class_names() const { return description_.class_names; }
  std::size_t feature_width() const { return description_.width; }

  // features: [n, D] f32, as stored (the head standardises them itself). Returns [n, C] f32. A sample's bytes do not
  // depend on the other samples or on the threads. Throws Error: another width; a feature that is not finite, with
  // where = "sample i" (its row here).
  Tensor logits(const Tensor& features, ThreadPool& pool) const;
  // Probabilities: the softmax of the logits (one_vs_rest: sigmoids, divided by their sum); knn: the neighbours' votes.
  // Rows sum to 1.
  Tensor scores(const Tensor& features, ThreadPool& pool) const;

  // x: [rows, D], already standardised -> logits: [rows, C], on the calling thread: for training, which standardises
  // once.
  void logits_of_rows(const float* x, std::size_t rows, float* logits) const;

 protected:
  explicit Head(HeadDescription description);

  // Rows that are worked on at once. The last tile is filled up with zeros, so that every sample meets the same
  // instructions whatever its batch.
  static constexpr std::size_t kTile = 64;
  // x: [kTile, D], standardised; logits: [kTile, C], overwritten. Called from several threads at once.
  virtual void logits_of_tile(const float* x, float* logits) const = 0;
  virtual void scores_of_tile(const float* x, float* scores) const;  // softmax of the logits unless overridden
  virtual void describe(Part& part) const = 0;                       // adds what is special to this kind

 private:
  enum class Output : std::uint8_t { logits, scores };
  Tensor apply(const Tensor& features, ThreadPool& pool, Output output) const;

  HeadDescription description_;
};

// 1 / (1 + exp(-x)), which overflows nowhere.
double sigmoid(double x);
// In place, each row of [rows, classes] becomes its softmax, computed in double precision.
void softmax_rows(std::span<float> values, std::size_t classes);
// Likewise its sigmoids, divided by their sum.
void one_vs_rest_rows(std::span<float> values, std::size_t classes);

// Throws Error naming a tensor of a head's part that has values which are not finite.
void require_finite(const Part& head);

}  // namespace mt
