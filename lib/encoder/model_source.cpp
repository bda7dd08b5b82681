#include "encoder/model_source.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "encoder/checkpoint_config.h"
#include "encoder/import_text.h"
#include "encoder/key_layouts.h"
#include "encoder/key_maps.h"
#include "encoder/random_model.h"
#include "store/checkpoint.h"
#include "store/model_file.h"
#include "store/model_safetensors.h"

namespace mt {

namespace {

constexpr std::string_view kRandom = "random:";

// "random:b16@7": the size and the seed, which @ overrides.
Model random_named(const std::string& name, std::uint64_t seed) {
  std::string size = name.substr(kRandom.size());
  if (const std::size_t at = size.find('@'); at != std::string::npos) {
    const auto number = parse_int(std::string_view(size).substr(at + 1));
    if (!number || *number < 0) throw Error(name, "has a seed that is not a natural number", "e.g. random:tiny@7");
    seed = static_cast<std::uint64_t>(*number);
    size.resize(at);
  }
  return random_model(size, seed);
}

Model imported(const std::string& name, const ModelOverrides& overrides, Progress& progress) {
  Checkpoint checkpoint = read_checkpoint(name);
  if (auto own = model_in(checkpoint, name)) return *std::move(own);
  if (auto bert = import_bert(checkpoint, name, progress)) return *std::move(bert);
  const Recognised recognised = recognise(checkpoint.tensors, name);
  const CheckpointConfig config = read_checkpoint_config(name, recognised.layout->family, progress);
  return import_checkpoint(std::move(checkpoint), recognised, config, overrides, name, progress);
}

void drop(Part& part, const std::string& tensor) {
  part.tensors.erase(tensor);
  part.digests.erase(tensor);
}

}  // namespace

void apply_overrides(Model& model, const ModelOverrides& overrides) {
  if (overrides.eps && model.has("tokenizer/image")) model.parts["tokenizer/image"].config["eps"] = *overrides.eps;
  if (!model.has("encoder")) return;
  Part& encoder = model.parts["encoder"];
  if (overrides.eps) encoder.config["eps"] = *overrides.eps;
  if (overrides.activation) encoder.config["activation"] = *overrides.activation;
  if (overrides.heads) {
    const std::size_t width = encoder.config.value("width", std::size_t{0});
    if (*overrides.heads == 0 || width % *overrides.heads != 0) {
      throw Error(model.source, fmt::format("is {} wide, which {} heads do not divide", width, *overrides.heads),
                  "give another --heads");
    }
    encoder.config["heads"] = *overrides.heads;
    encoder.config["scale"] = 1 / std::sqrt(static_cast<double>(width / *overrides.heads));
  }
  if (overrides.scale) encoder.config["scale"] = *overrides.scale;
  if (!overrides.no_norm) return;
  encoder.config["norm"] = "none";
  for (const char* tensor : {"norm.weight", "norm.bias", "projection"}) drop(encoder, tensor);
}

Model load_model(const std::string& name, const ModelOverrides& overrides, Progress& progress) {
  Model model = name.starts_with(kRandom) ? random_named(name, overrides.seed)
                : is_model_file(name)     ? read_model_file(name)
                                          : imported(name, overrides, progress);
  model.source = name;
  apply_overrides(model, overrides);
  return model;
}

Model load_models(const std::vector<std::string>& names, const ModelOverrides& overrides, Progress& progress,
                  bool keep_first) {
  if (names.size() == 1) return load_model(names[0], overrides, progress);
  Model all;
  std::map<std::string, std::string> origin;
  for (const std::string& name : names) {
    Model model = load_model(name, overrides, progress);
    for (auto& [part, content] : model.parts) {
      const auto [known, added] = origin.emplace(part, name);
      if (added) {
        all.parts[part] = std::move(content);
      } else if (keep_first) {
        progress.note(fmt::format("{}: its part \"{}\" is left out, {} has one", name, part, known->second));
      } else {
        throw Error(name, fmt::format("holds the part \"{}\", which {} holds too", part, known->second),
                    "mt-convert puts the parts you mean into one file");
      }
    }
    all.provenance["inputs"].push_back(std::move(model.provenance));
    all.source += (all.source.empty() ? "" : ", ") + name;
  }
  return all;
}

}  // namespace mt
