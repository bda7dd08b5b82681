#include "encoder/key_maps.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/text.h"
#include "encoder/import.h"

namespace mt {

namespace {

// Tensors that change the result of an architecture that we do not have. Leaving them out would be silently wrong.
constexpr std::string_view kForeignArchitecture[] = {
    "dist_token", "reg_token", "register_tokens", "storage_tokens", "rope",      "rel_pos", "attn_pool", "norm.",
    "fc_norm.",   "pos_embed", "patch_embed",     "layerscale",     "cls_token", "ln_",     "norm_pre."};

// A CLIP model's text tower and what it shares with the image tower: open_clip, its variant with a tower of its own,
// HF.
constexpr std::string_view kTextTower[] = {"token_embedding.", "positional_embedding", "transformer.", "ln_final.",
                                           "text_projection",  "logit_scale",          "logit_bias",   "text.",
                                           "text_model."};
constexpr const char* kTokenTables[] = {"token_embedding.weight", "text.token_embedding.weight",
                                        "text_model.embeddings.token_embedding.weight"};

template <class Starts>
bool starts_with_any(std::string_view name, const Starts& starts) {
  return std::any_of(std::begin(starts), std::end(starts),
                     [name](std::string_view start) { return name.starts_with(start); });
}

// Sizes and constant tables, which are made again from the configuration.
bool is_buffer(std::string_view name) {
  return name.ends_with("position_ids") || name.ends_with("attn_mask") || name == "input_resolution" ||
         name == "context_length" || name == "vocab_size";
}

void tell(const Import& job, Progress& progress) {
  const auto& encoder = job.model.part("encoder").config;
  progress.note(fmt::format("{}: {} ({}), {} blocks, {} wide, {} heads, {}, eps {}, norm {}", job.where, job.family,
                            job.container, job.blocks, job.width, job.heads, job.activation, job.eps,
                            encoder.at("norm").get<std::string>()));
  if (!job.assumed.empty()) {
    progress.note(fmt::format("{}: assumed, since nothing says so: {}", job.where, fmt::join(job.assumed, ", ")));
  }
  for (const std::string& note : job.notes) progress.note(fmt::format("{}: {}", job.where, note));
  if (!job.left_out.empty()) progress.note(fmt::format("{}: left out: {}", job.where, listed(job.left_out)));
}

void remember(Import& job) {
  nlohmann::json& provenance = job.model.provenance;
  provenance = {{"container", job.container}, {"family", job.family}};
  if (!job.assumed.empty()) provenance["assumed"] = job.assumed;
  if (!job.notes.empty()) provenance["notes"] = job.notes;
  if (!job.left_out.empty()) provenance["left_out"] = listed(job.left_out, 24);
  if (!job.config.files.empty()) provenance["read"] = job.config.files;
}

}  // namespace

void Import::take(Part& part, const std::string& ours, std::string_view theirs, const Shape& shape) {
  if (auto tensor = source.take(theirs, shape)) part.tensors.insert_or_assign(ours, *std::move(tensor));
}

void Import::take_both(Part& part, const std::string& ours, std::string_view theirs, const Shape& weight,
                       const Shape& bias) {
  take(part, ours + "weight", fmt::format("{}weight", theirs), weight);
  take(part, ours + "bias", fmt::format("{}bias", theirs), bias);
}

std::string Import::block_name(std::size_t block, std::string_view rest) const {
  return fmt::format("{}{}{}{}", layout.block.prefix, block, layout.block.infix, rest);
}

int block_of(std::string_view name, const BlockKeys& keys) {
  if (!name.starts_with(keys.prefix)) return -1;
  name.remove_prefix(keys.prefix.size());
  const std::size_t digits = std::min(name.find_first_not_of("0123456789"), name.size());
  if (digits == 0 || digits > 4 || !name.substr(digits).starts_with(keys.infix)) return -1;
  return static_cast<int>(*parse_int(name.substr(0, digits)));
}

Tensor stacked(const std::vector<Tensor>& parts) {
  Shape shape = parts[0].shape();
  shape[0] = 0;
  for (const Tensor& part : parts) shape[0] += part.rows();
  Tensor all(parts[0].dtype(), shape);
  std::byte* to = all.mutable_data();
  for (const Tensor& part : parts) to = std::copy(part.bytes().begin(), part.bytes().end(), to);
  return all;
}

void import_text_tower(Import& job) {
  if (job.layout.tower.empty() || job.source.prefix() == job.base) return;
  auto& rest = job.source.rest();
  std::size_t width = 0;
  for (const char* name : kTokenTables) {
    if (const auto found = rest.find(job.base + name); found != rest.end()) width = found->second.columns();
  }
  if (width == 0) return;
  Part& text = job.model.parts["text"];
  for (auto it = rest.begin(); it != rest.end();) {
    const std::string_view local =
        it->first.starts_with(job.base) ? std::string_view(it->first).substr(job.base.size()) : "";
    const bool keep = starts_with_any(local, kTextTower) && !is_buffer(local);
    if (keep) text.tensors.insert_or_assign(std::string(local), std::move(it->second));
    it = keep || is_buffer(local) ? rest.erase(it) : std::next(it);
  }
  text.config = {{"family", job.family}, {"width", width}, {"activation", job.activation}, {"eps", job.eps}};
  if (job.config.text_heads) {
    text.config["heads"] = *job.config.text_heads;
  } else if (width % 64 == 0) {
    text.config["heads"] = width / 64;
  }
}

std::vector<std::string> account_for_rest(Import& job) {
  std::vector<std::string> foreign, unknown;
  for (const auto& [name, tensor] : job.source.rest()) {
    const bool inside = name.starts_with(job.source.prefix());
    const std::string_view local = std::string_view(name).substr(inside ? job.source.prefix().size() : 0);
    if (!inside || starts_with_any(local, job.layout.harmless)) {
      job.left_out.push_back(name);
    } else if (block_of(local, job.layout.block) >= 0 || starts_with_any(local, kForeignArchitecture)) {
      foreign.push_back(name);
    } else {
      unknown.push_back(name);
    }
  }
  if (!foreign.empty()) {
    throw Error(job.where, fmt::format("holds {}: an architecture that is not supported", listed(foreign)),
                "plain pre-norm vision transformers are");
  }
  job.left_out.insert(job.left_out.end(), unknown.begin(), unknown.end());
  return unknown;
}

Model import_checkpoint(Checkpoint checkpoint, const Recognised& recognised, const CheckpointConfig& config,
                        const ModelOverrides& overrides, const std::string& source, Progress& progress) {
  const KeyLayout& layout = *recognised.layout;
  std::string base = recognised.prefix;
  if (!layout.tower.empty() && base.ends_with(layout.tower)) base.resize(base.size() - layout.tower.size());
  Import job{layout, TensorSource(std::move(checkpoint.tensors), recognised.prefix),
             config, overrides,
             source, checkpoint.container,
             base};
  measure(job);
  if (config.width && *config.width != job.width) {
    progress.note(fmt::format("{}: {} describes a model {} wide, this one is {}: not used", source,
                              listed(config.files), *config.width, job.width));
    job.config = {};
  }
  settle(job);
  import_encoder(job);
  if (job.has_tokenizer) import_image_tokenizer(job);
  job.source.require_complete(source);
  import_text_tower(job);
  const std::vector<std::string> unknown = account_for_rest(job);
  job.model.source = source;
  tell(job, progress);
  if (!unknown.empty()) progress.warn(fmt::format("{}: not known and left out: {}", source, listed(unknown, 12)));
  remember(job);
  return std::move(job.model);
}

}  // namespace mt
