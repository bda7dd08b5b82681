#include "tokenize/text/text_embedding.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "tokenize/text/text_tokenizer.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "tokenizer/text";
enum CodeColumn : std::size_t { kId, kSegment, kCodes };

std::optional<Lookup> optional_table(const Part& part, const std::string& name, std::size_t columns) {
  if (!part.has(name)) return std::nullopt;
  return Lookup(name, tokenizer_floats(part, name, {0, columns}, kWhere));
}

std::optional<TrainableLayerNorm> optional_norm(const Part& part, const std::string& name, std::size_t columns,
                                                float eps) {
  if (!part.has(name + ".weight")) return std::nullopt;
  return TrainableLayerNorm(name, tokenizer_floats(part, name + ".weight", {columns}, kWhere),
                            tokenizer_floats(part, name + ".bias", {columns}, kWhere), eps);
}

// One column of the codes, [tokens].
std::vector<std::int32_t> column(const PatchRows& in, std::size_t number) {
  std::vector<std::int32_t> values(in.rows());
  for (std::size_t t = 0; t < values.size(); ++t) values[t] = in.codes.row<std::int32_t>(t)[number];
  return values;
}

void require_id(const Lookup& table, std::int32_t id) {
  if (id >= 0 && static_cast<std::size_t>(id) < table.entries()) return;
  throw Error("", fmt::format("has the code {}, {} has {} rows", id, table.table.name, table.entries()),
              "use the model and the vocabulary that belong together");
}

Tensor normal(Shape shape, const char* name, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(seed, stream_of(std::string("text tokenizer: ") + name)).fill_normal(tensor.as<float>(), 0, 0.02F);
  return tensor;
}

}  // namespace

TextEmbedding::TextEmbedding(const Part& part) : words_("words", tokenizer_floats(part, "words", {0, 0}, kWhere)) {
  const std::size_t table_width = words_.width();
  positions_ = optional_table(part, "positions", table_width);
  types_ = optional_table(part, "types", table_width);
  norm_ = optional_norm(part, "norm", table_width, tokenizer_eps(part, "norm_eps", 1e-12F));
  if (part.has("projection.weight")) {
    Tensor weight = tokenizer_floats(part, "projection.weight", {0, table_width}, kWhere);
    const std::size_t outputs = weight.rows();
    Tensor bias = part.has("projection.bias") ? tokenizer_floats(part, "projection.bias", {outputs}, kWhere)
                                              : Tensor(DType::f32, {outputs});
    projection_ = TrainableLinear("projection", std::move(weight), std::move(bias));
  }
  const std::size_t token_width = projection_ ? projection_->outputs() : table_width;
  if (part.has("cls")) cls_ = Parameter("cls", tokenizer_floats(part, "cls", {token_width}, kWhere), false);
  pre_norm_ = optional_norm(part, "pre_norm", token_width, tokenizer_eps(part, "eps", 1e-5F));
  leads_with_cls_ = part.config.value("/tokenizer/kind"_json_pointer, "") == "wordpiece";
}

std::optional<std::size_t> TextEmbedding::places() const {
  return positions_ ? std::optional(positions_->entries()) : std::nullopt;
}

void TextEmbedding::require(const PatchRows& in, std::size_t sequence) const {
  const std::size_t length = in.end(sequence) - in.begin(sequence);
  if (positions_ && length > positions_->entries()) {
    throw Error("", fmt::format("is {} tokens long, the tokenizer has {} places", length, positions_->entries()),
                "tokenize with fewer --max-tokens");
  }
  if (in.codes.columns() != kCodes) {
    throw Error("",
                fmt::format("has {} codes a token, the tokenizer takes {}", in.codes.columns(), std::size_t{kCodes}),
                "make them with mt-tokenize text");
  }
  for (std::size_t t = in.begin(sequence); t < in.end(sequence); ++t) {
    const auto codes = in.codes.row<std::int32_t>(t);
    require_id(words_, codes[kId]);
    if (types_) require_id(*types_, codes[kSegment]);
  }
}

std::vector<std::int32_t> TextEmbedding::places_of(const PatchRows& in) const {
  std::vector<std::int32_t> places(in.rows());
  for (std::size_t s = 0; s < in.sequences(); ++s) {
    for (std::size_t t = in.begin(s); t < in.end(s); ++t) places[t] = static_cast<std::int32_t>(t - in.begin(s));
  }
  return places;
}

// The sum of the tables' rows: [tokens, W].
Tensor TextEmbedding::looked_up(const PatchRows& in) const {
  if (in.codes.columns() != kCodes || in.codes.rows() != in.rows()) {
    throw std::logic_error("TextEmbedding: codes that do not fit their offsets");
  }
  Tensor sum(DType::f32, {in.rows(), words_.width()});
  words_.add(column(in, kId), sum);
  if (positions_) positions_->add(places_of(in), sum);
  if (types_) types_->add(column(in, kSegment), sum);
  return sum;
}

// One row more in front of each sequence, where there is a cls.
Tensor TextEmbedding::with_cls(const PatchRows& in, Tensor rows) const {
  if (cls_.value.empty()) return rows;
  const std::size_t sequences = in.sequences();
  Tensor all(DType::f32, {rows.rows() + sequences, width()});
  for (std::size_t s = 0; s < sequences; ++s) {
    std::ranges::copy(cls_.value.as<float>(), all.row<float>(in.begin(s) + s).begin());
    for (std::size_t t = in.begin(s); t < in.end(s); ++t) {
      std::ranges::copy(std::as_const(rows).row<float>(t), all.row<float>(t + s + 1).begin());
    }
  }
  return all;
}

Tensor TextEmbedding::forward(const PatchRows& in) const {
  Tensor rows = looked_up(in);
  if (norm_) norm_->forward(rows, rows);
  if (projection_) {
    Tensor projected(DType::f32, {rows.rows(), width()});
    projection_->forward_rows(rows.as<float>().data(), projected.as<float>().data(), rows.rows());
    rows = std::move(projected);
  }
  rows = with_cls(in, std::move(rows));
  if (pre_norm_) pre_norm_->forward(rows, rows);
  return rows;
}

// The reverse of with_cls: what went into cls is added to its gradient.
Tensor TextEmbedding::without_cls(const PatchRows& in, const Tensor& dy) {
  if (cls_.value.empty()) return dy;
  Tensor rows(DType::f32, {in.rows(), width()});
  for (std::size_t s = 0; s < in.sequences(); ++s) {
    if (cls_.learns()) {
      const auto first = dy.row<float>(in.begin(s) + s);
      for (std::size_t i = 0; i < width(); ++i) cls_.gradient.as<float>()[i] += first[i];
    }
    for (std::size_t t = in.begin(s); t < in.end(s); ++t) {
      std::ranges::copy(dy.row<float>(t + s + 1), rows.row<float>(t).begin());
    }
  }
  return rows;
}

void TextEmbedding::backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) {
  const Tensor sum = looked_up(in);
  Tensor normed = sum;
  if (norm_) norm_->forward(sum, normed);
  Tensor d = dy;
  if (pre_norm_) {
    Tensor rows = normed;
    if (projection_) {
      rows = Tensor(DType::f32, {normed.rows(), width()});
      projection_->forward(normed, rows, pool);
    }
    pre_norm_->backward(with_cls(in, std::move(rows)), dy, d);
  }
  d = without_cls(in, d);
  if (projection_) {
    Tensor before(DType::f32, {normed.rows(), words_.width()});
    projection_->backward(normed, d, &before, pool);
    d = std::move(before);
  }
  if (norm_) norm_->backward(sum, d, d);
  words_.backward(column(in, kId), d);
  if (positions_) positions_->backward(places_of(in), d);
  if (types_) types_->backward(column(in, kSegment), d);
}

template <class Self>
auto TextEmbedding::parameters_of(Self& self) {
  std::vector all = {&self.words_.table};
  if (self.positions_) all.push_back(&self.positions_->table);
  if (self.types_) all.push_back(&self.types_->table);
  if (self.norm_) all.insert(all.end(), {&self.norm_->gain, &self.norm_->bias});
  if (self.projection_) all.insert(all.end(), {&self.projection_->weight, &self.projection_->bias});
  if (!self.cls_.value.empty()) all.push_back(&self.cls_);
  if (self.pre_norm_) all.insert(all.end(), {&self.pre_norm_->gain, &self.pre_norm_->bias});
  return all;
}

std::vector<Parameter*> TextEmbedding::parameters() { return parameters_of(*this); }

void TextEmbedding::store(Part& part) const {
  for (const Parameter* parameter : parameters_of(*this)) {
    part.tensors[parameter->name] = parameter->value;
    part.digests.erase(parameter->name);
  }
}

void add_initial_text_embedding(Part& part, std::size_t width, std::size_t places, std::uint64_t seed) {
  const std::unique_ptr<TextTokenizer> tokenizer = text_tokenizer_of(part);
  const bool byte_pairs = part.config["tokenizer"]["kind"] == "byte_pair";
  part.config["modality"] = "text";
  part.config["embedding"] = "text";
  part.config["width"] = width;
  if (!part.has("words")) {
    part.tensors["words"] = normal({tokenizer->vocabulary_size(), width}, "words", seed);
    part.tensors["positions"] = normal({places, width}, "positions", seed);
    if (!byte_pairs) {
      part.config["norm_eps"] = 1e-12;
      part.tensors["types"] = normal({2, width}, "types", seed);
      part.tensors["norm.weight"] = Tensor(DType::f32, {width});
      std::ranges::fill(part.tensors["norm.weight"].as<float>(), 1.0F);
      part.tensors["norm.bias"] = Tensor(DType::f32, {width});
    }
  }
  const std::size_t table = part.at("words").columns();
  if (table != width && !part.has("projection.weight")) {
    // Tokens keep the scale that the table's rows have.
    part.tensors["projection.weight"] = normal({width, table}, "projection.weight", seed);
    const auto scale = static_cast<float>(1 / (0.02 * std::sqrt(static_cast<double>(table))));
    for (float& weight : part.tensors["projection.weight"].as<float>()) weight *= scale;
    part.tensors["projection.bias"] = Tensor(DType::f32, {width});
  }
  if (byte_pairs && !part.has("cls")) part.tensors["cls"] = normal({width}, "cls", seed);
}

}  // namespace mt
