#include "encoder/import_text.h"

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "tokenize/text/text_tokenizer.h"
#include "tokenize/text/wordpiece.h"

namespace fs = std::filesystem;

namespace mt {

namespace {

constexpr std::string_view kWords = "embeddings.word_embeddings.weight";
constexpr std::size_t kSegments = 2;  // RoBERTa, of the same names, has one type and another kind of vocabulary
constexpr double kBertEps = 1e-12;

// What stands in front of "embeddings.", e.g. "bert."; nullopt when no such table is there.
std::optional<std::string> bert_prefix(const Checkpoint& checkpoint) {
  for (const auto& [name, tensor] : checkpoint.tensors) {
    if (!name.ends_with(kWords)) continue;
    const std::string prefix = name.substr(0, name.size() - kWords.size());
    const auto types = checkpoint.tensors.find(prefix + "embeddings.token_type_embeddings.weight");
    if (types != checkpoint.tensors.end() && types->second.rows() == kSegments) return prefix;
  }
  return std::nullopt;
}

// The tensor as float32, under its current name or the one of TensorFlow's days.
Tensor taken(const Checkpoint& checkpoint, const std::string& name, const std::string& old_name, const Shape& shape,
             const std::string& source) {
  auto found = checkpoint.tensors.find(name);
  if (found == checkpoint.tensors.end()) found = checkpoint.tensors.find(old_name);
  if (found == checkpoint.tensors.end()) throw Error(source, fmt::format("lacks {}", name), "save the whole model");
  const Shape& stored = found->second.shape();
  if (stored.size() != shape.size() || stored.back() != shape.back() || found->second.empty()) {
    throw Error(source, fmt::format("{} has the shape {}, expected {} columns", name, to_string(stored), shape.back()));
  }
  return found->second.to(DType::f32);
}

bool has_upper_case(const std::vector<std::string>& vocabulary) {
  return std::any_of(vocabulary.begin(), vocabulary.end(), [](const std::string& token) {
    return !token.starts_with('[') &&
           std::any_of(token.begin(), token.end(), [](char c) { return c >= 'A' && c <= 'Z'; });
  });
}

// tokenizer_config.json's word, else what the vocabulary looks like.
bool lower_case_of(const fs::path& folder, const std::vector<std::string>& vocabulary) {
  constexpr std::uint64_t kLimit = 16 << 20;
  const fs::path file = folder / "tokenizer_config.json";
  std::error_code ignored;
  if (fs::is_regular_file(file, ignored)) {
    const nlohmann::json config = parse_json(read_text_file(file, kLimit), file.string());
    const auto found = config.is_object() ? config.find("do_lower_case") : config.end();
    if (found != config.end() && found->is_boolean()) return found->get<bool>();
  }
  return !has_upper_case(vocabulary);
}

void add_vocabulary_beside(Part& part, const std::string& source, Progress& progress) {
  const fs::path folder = fs::path(source).parent_path(), file = folder / "vocab.txt";
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) {
    progress.note(fmt::format("{}: no vocab.txt lies beside it; mt-tokenize text will ask for --vocab", source));
    return;
  }
  std::vector<std::string> vocabulary = read_vocabulary(file);
  if (vocabulary.size() > part.at("words").rows()) {
    throw Error(
        file.string(),
        fmt::format("has {} tokens, the table of {} has {}", vocabulary.size(), source, part.at("words").rows()),
        "put the vocabulary of this model beside it");
  }
  const bool lower_case = lower_case_of(folder, vocabulary);
  WordPiece(std::move(vocabulary), lower_case).store(part);
  part.config["embedding"] = "text";
  progress.note(fmt::format("{}: {} vocabulary from {}", source, lower_case ? "uncased" : "cased", file.string()));
}

}  // namespace

std::optional<Model> import_bert(const Checkpoint& checkpoint, const std::string& source, Progress& progress) {
  const auto prefix = bert_prefix(checkpoint);
  if (!prefix) return std::nullopt;
  const std::string stem = *prefix + "embeddings.";
  const std::size_t width = checkpoint.tensors.at(*prefix + std::string(kWords)).columns();
  const auto take = [&](const std::string& name, const std::string& old_name, const Shape& shape) {
    return taken(checkpoint, stem + name, stem + old_name, shape, source);
  };
  Model model;
  model.source = source;
  Part& part = model.parts["tokenizer/text"];
  part.tensors["words"] = take("word_embeddings.weight", "", {0, width});
  part.tensors["positions"] = take("position_embeddings.weight", "", {0, width});
  part.tensors["types"] = take("token_type_embeddings.weight", "", {0, width});
  part.tensors["norm.weight"] = take("LayerNorm.weight", "LayerNorm.gamma", {width});
  part.tensors["norm.bias"] = take("LayerNorm.bias", "LayerNorm.beta", {width});
  part.config = {{"modality", "text"},
                 {"width", width},
                 {"tokenizer", {{"kind", "wordpiece"}}},
                 {"norm_eps", kBertEps},
                 {"family", "bert"}};
  add_vocabulary_beside(part, source, progress);
  const std::size_t left_out = checkpoint.tensors.size() - part.tensors.size() + (part.has("vocabulary") ? 1 : 0);
  progress.note(fmt::format("{}: bert, {} words, {} places, {} wide; {} tensors of its own blocks are left out", source,
                            part.at("words").rows(), part.at("positions").rows(), width, left_out));
  model.provenance = {{"container", checkpoint.container}, {"family", "bert"}};
  return model;
}

Part text_tables_of_tower(const Part& tower) {
  Part part;
  // open_clip, its variant with a tower of its own, Hugging Face.
  for (const auto& [words, positions] :
       {std::pair{"token_embedding.weight", "positional_embedding"},
        {"text.token_embedding.weight", "text.positional_embedding"},
        {"text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight"}}) {
    if (!tower.has(words)) continue;
    part.tensors["words"] = tower.at(words).to(DType::f32);
    part.tensors["positions"] = tower.at(positions).to(DType::f32);
    part.config = {{"modality", "text"}, {"tokenizer", {{"kind", "byte_pair"}}}, {"family", "clip"}};
    return part;
  }
  throw Error("text", "the text tower has no table of words", "check the model with mt-inspect");
}

}  // namespace mt
