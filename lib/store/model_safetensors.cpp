#include "store/model_safetensors.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "store/schema.h"

namespace mt {

namespace {

// Names of the metadata; their values are strings, as safetensors asks for.
constexpr const char *kFormatName = "mt_format", *kCreator = "mt_creator", *kProvenance = "mt_config",
                     *kParts = "mt_parts", *kDigest = "mt_inputs";

nlohmann::json object_at(const Checkpoint& checkpoint, const char* name, const std::string& source) {
  const auto text = checkpoint.metadata.find(name);
  if (text == checkpoint.metadata.end()) throw Error(source, fmt::format("lacks {} in its metadata", name));
  nlohmann::json value = parse_json(text->get_ref<const std::string&>(), source);
  if (!value.is_object()) throw Error(source, fmt::format("has a {} that is not a JSON object", name));
  return value;
}

}  // namespace

void write_model_safetensors(const std::filesystem::path& path, const Model& model, const std::string& creator,
                             bool force) {
  std::map<std::string, Tensor> tensors;
  nlohmann::json parts = nlohmann::json::object();
  for (const auto& [name, part] : model.parts) {
    parts[name] = part.config;
    for (const auto& [tensor_name, tensor] : part.tensors) {
      if (tensor_name.find('/') != std::string::npos || !is_utf8(tensor_name)) {
        throw Error(path.string(), fmt::format("cannot hold a tensor named \"{}\"", tensor_name));
      }
      tensors.emplace(fmt::format("{}/{}", name, tensor_name),
                      Tensor::borrowed(tensor.dtype(), tensor.shape(), tensor.data(), nullptr));
    }
  }
  const std::map<std::string, std::string> metadata = {{kFormatName, std::to_string(kFormat)},
                                                       {kCreator, creator},
                                                       {kProvenance, model.provenance.dump()},
                                                       {kParts, parts.dump()},
                                                       {kDigest, hex(digest_of(model))}};
  write_safetensors(path, tensors, metadata, force);
}

std::optional<Model> model_in(const Checkpoint& checkpoint, const std::string& source) {
  const auto format = checkpoint.metadata.find(kFormatName);
  if (checkpoint.container != "safetensors" || format == checkpoint.metadata.end()) return std::nullopt;
  const auto version = parse_int(format->get_ref<const std::string&>());
  if (!version || *version < 1 || *version > kFormat) {
    throw Error(source,
                fmt::format("has format \"{}\", this release reads up to {}", format->get<std::string>(), kFormat),
                "use a newer release");
  }
  Model model;
  model.source = source;
  model.provenance = object_at(checkpoint, kProvenance, source);
  const nlohmann::json parts = object_at(checkpoint, kParts, source);
  for (const auto& [name, config] : parts.items()) {
    if (!config.is_object())
      throw Error(source, fmt::format("has a configuration of {} that is not a JSON object", name));
    model.parts[name].config = config;
  }
  for (const auto& [name, tensor] : checkpoint.tensors) {
    const std::size_t slash = name.rfind('/');
    const auto part = slash == std::string::npos ? model.parts.end() : model.parts.find(name.substr(0, slash));
    if (part == model.parts.end()) throw Error(source, fmt::format("holds {}, which belongs to no part", name));
    part->second.tensors.emplace(name.substr(slash + 1), tensor);
  }
  complete_digests(model);
  if (checkpoint.metadata.value(kDigest, "") != hex(digest_of(model))) {
    throw Error(source, "is damaged: its contents do not match their digest", "make it again or copy it again");
  }
  return model;
}

}  // namespace mt
