#include "tokenize/text/text_embedding.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"

namespace mt {

namespace {

constexpr std::string_view kWhere = "text tokenizer";

// A tensor of the part as float32, finite and of the given rank and width (0: any).
Tensor floats(const Part& part, const std::string& name, std::size_t rank, std::size_t columns) {
  Tensor tensor = part.at(name).to(DType::f32);
  const std::size_t width = rank == 1 ? tensor.size() : tensor.columns();
  if (tensor.shape().size() != rank || tensor.empty() || (columns != 0 && width != columns)) {
    throw Error(kWhere,
                fmt::format("{} has the shape {}, expected {}{}", name, to_string(tensor.shape()),
                            rank == 1 ? "a row" : "rows", columns != 0 ? fmt::format(" of {}", columns) : ""),
                "check the model with mt-inspect");
  }
  if (!std::ranges::all_of(std::as_const(tensor).as<float>(), [](float x) { return std::isfinite(x); })) {
    throw Error(kWhere, name + " holds NaN or infinite values", "use another checkpoint");
  }
  return tensor;
}

float eps_of(const Part& part, const char* name, float otherwise) {
  const auto found = part.config.find(name);
  if (found == part.config.end()) return otherwise;
  if (!found->is_number() || !(found->get<double>() > 0)) {
    throw Error(kWhere, fmt::format("its {} is {}", name, found->dump()), "check the model with mt-inspect");
  }
  return found->get<float>();
}

std::optional<Lookup> optional_table(const Part& part, const std::string& name, std::size_t columns) {
  if (!part.has(name)) return std::nullopt;
  return Lookup(name, floats(part, name, 2, columns));
}

std::optional<TrainableLayerNorm> optional_norm(const Part& part, const std::string& name, std::size_t columns,
                                                float eps) {
  if (!part.has(name + ".weight")) return std::nullopt;
  return TrainableLayerNorm(name, floats(part, name + ".weight", 1, columns), floats(part, name + ".bias", 1, columns),
                            eps);
}

Tensor normal(Shape shape, const char* name, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  Random(seed, stream_of(std::string("text tokenizer: ") + name)).fill_normal(tensor.as<float>(), 0, 0.02F);
  return tensor;
}

}  // namespace

TextEmbedding::TextEmbedding(const Part& part) : words_("words", floats(part, "words", 2, 0)) {
  const std::size_t table_width = words_.width();
  positions_ = optional_table(part, "positions", table_width);
  types_ = optional_table(part, "types", table_width);
  norm_ = optional_norm(part, "norm", table_width, eps_of(part, "norm_eps", 1e-12F));
  if (part.has("projection.weight")) {
    Tensor weight = floats(part, "projection.weight", 2, table_width);
    const std::size_t outputs = weight.rows();
    Tensor bias =
        part.has("projection.bias") ? floats(part, "projection.bias", 1, outputs) : Tensor(DType::f32, {outputs});
    projection_ = TrainableLinear("projection", std::move(weight), std::move(bias));
  }
  if (part.has("cls")) cls_ = Parameter("cls", floats(part, "cls", 1, width()), false);
  pre_norm_ = optional_norm(part, "pre_norm", width(), eps_of(part, "eps", 1e-5F));
}

std::optional<std::size_t> TextEmbedding::places() const {
  return positions_ ? std::optional(positions_->entries()) : std::nullopt;
}

std::vector<std::int32_t> TextEmbedding::places_of(const TextCodes& codes) const {
  std::vector<std::int32_t> places(codes.ids.size());
  for (std::size_t s = 0; s + 1 < codes.offsets.size(); ++s) {
    for (auto t = codes.offsets[s]; t < codes.offsets[s + 1]; ++t) {
      places[static_cast<std::size_t>(t)] = static_cast<std::int32_t>(t - codes.offsets[s]);
    }
  }
  return places;
}

// The sum of the tables' rows: [tokens, W].
Tensor TextEmbedding::looked_up(const TextCodes& codes) const {
  if (codes.segments.size() != codes.ids.size() || codes.offsets.empty() ||
      static_cast<std::size_t>(codes.offsets.back()) != codes.ids.size()) {
    throw std::logic_error("TextEmbedding: codes that do not fit their offsets");
  }
  Tensor sum(DType::f32, {codes.ids.size(), words_.width()});
  words_.add(codes.ids, sum);
  if (positions_) positions_->add(places_of(codes), sum);
  if (types_) types_->add(codes.segments, sum);
  return sum;
}

// One row more in front of each sequence, where there is a cls.
Tensor TextEmbedding::with_cls(const TextCodes& codes, Tensor rows) const {
  if (!has_cls()) return rows;
  const std::size_t sequences = codes.offsets.size() - 1;
  Tensor all(DType::f32, {rows.rows() + sequences, width()});
  for (std::size_t s = 0; s < sequences; ++s) {
    const auto begin = static_cast<std::size_t>(codes.offsets[s]), end = static_cast<std::size_t>(codes.offsets[s + 1]);
    std::ranges::copy(cls_.value.as<float>(), all.row<float>(begin + s).begin());
    for (std::size_t t = begin; t < end; ++t) {
      std::ranges::copy(std::as_const(rows).row<float>(t), all.row<float>(t + s + 1).begin());
    }
  }
  return all;
}

Tensor TextEmbedding::forward(const TextCodes& codes) const {
  Tensor rows = looked_up(codes);
  if (norm_) norm_->forward(rows, rows);
  if (projection_) {
    Tensor projected(DType::f32, {rows.rows(), width()});
    projection_->forward_rows(rows.as<float>().data(), projected.as<float>().data(), rows.rows());
    rows = std::move(projected);
  }
  rows = with_cls(codes, std::move(rows));
  if (pre_norm_) pre_norm_->forward(rows, rows);
  return rows;
}

// The reverse of with_cls: what went into cls is added to its gradient.
Tensor TextEmbedding::without_cls(const TextCodes& codes, const Tensor& dy) {
  if (!has_cls()) return dy;
  Tensor rows(DType::f32, {codes.ids.size(), width()});
  for (std::size_t s = 0; s + 1 < codes.offsets.size(); ++s) {
    const auto begin = static_cast<std::size_t>(codes.offsets[s]), end = static_cast<std::size_t>(codes.offsets[s + 1]);
    if (cls_.learns()) {
      const auto first = dy.row<float>(begin + s);
      for (std::size_t i = 0; i < width(); ++i) cls_.gradient.as<float>()[i] += first[i];
    }
    for (std::size_t t = begin; t < end; ++t) std::ranges::copy(dy.row<float>(t + s + 1), rows.row<float>(t).begin());
  }
  return rows;
}

void TextEmbedding::backward(const TextCodes& codes, const Tensor& dy, ThreadPool& pool) {
  const Tensor sum = looked_up(codes);
  Tensor normed = sum;
  if (norm_) norm_->forward(sum, normed);
  Tensor d = dy;
  if (pre_norm_) {
    Tensor rows = normed;
    if (projection_) {
      rows = Tensor(DType::f32, {normed.rows(), width()});
      projection_->forward(normed, rows, pool);
    }
    pre_norm_->backward(with_cls(codes, std::move(rows)), dy, d);
  }
  d = without_cls(codes, d);
  if (projection_) {
    Tensor before(DType::f32, {normed.rows(), words_.width()});
    projection_->backward(normed, d, &before, pool);
    d = std::move(before);
  }
  if (norm_) norm_->backward(sum, d, d);
  words_.backward(codes.ids, d);
  if (positions_) positions_->backward(places_of(codes), d);
  if (types_) types_->backward(codes.segments, d);
}

template <class Self>
auto TextEmbedding::parameters_of(Self& self) {
  std::vector all = {&self.words_.table};
  if (self.positions_) all.push_back(&self.positions_->table);
  if (self.types_) all.push_back(&self.types_->table);
  if (self.norm_) all.insert(all.end(), {&self.norm_->gain, &self.norm_->bias});
  if (self.projection_) all.insert(all.end(), {&self.projection_->weight, &self.projection_->bias});
  if (self.has_cls()) all.push_back(&self.cls_);
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

Part initial_text_tokenizer(const TextTokenizer& tokenizer, std::size_t width, std::size_t places, std::uint64_t seed) {
  Part part;
  part.config = {{"modality", "text"}, {"width", width}, {"family", "initial"}, {"seed", seed}};
  tokenizer.store(part);
  part.tensors["words"] = normal({tokenizer.vocabulary_size(), width}, "words", seed);
  part.tensors["positions"] = normal({places, width}, "positions", seed);
  if (part.config["tokenizer"]["kind"] == "byte_pair") {
    part.tensors["cls"] = normal({width}, "cls", seed);
    return part;
  }
  part.config["norm_eps"] = 1e-12;
  part.tensors["types"] = normal({2, width}, "types", seed);
  part.tensors["norm.weight"] = Tensor(DType::f32, {width});
  std::ranges::fill(part.tensors["norm.weight"].as<float>(), 1.0F);
  part.tensors["norm.bias"] = Tensor(DType::f32, {width});
  return part;
}

}  // namespace mt
