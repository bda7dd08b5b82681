#include "store/model.h"

#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "base/threads.h"

namespace mt {

namespace {

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  for (const auto& [name, value] : map) names.push_back(name);
  return names;
}

// Lengths in front of texts, so that no two models give the same bytes to the hash.
void update_text(Sha256& hash, std::string_view text) {
  const std::uint64_t size = text.size();
  hash.update(std::as_bytes(std::span(&size, 1))).update(text);
}

void update_shape(Sha256& hash, const Shape& shape) {
  const std::uint64_t rank = shape.size();
  hash.update(std::as_bytes(std::span(&rank, 1)));
  for (const std::uint64_t size : shape) hash.update(std::as_bytes(std::span(&size, 1)));
}

}  // namespace

const Tensor& Part::at(const std::string& name) const {
  const auto found = tensors.find(name);
  if (found != tensors.end()) return found->second;
  throw Error("", fmt::format("tensor {} is missing", name), "check the model with mt-inspect");
}

const Part& Model::part(const std::string& name) const {
  const auto found = parts.find(name);
  if (found != parts.end()) return found->second;
  throw Error(source,
              fmt::format("has no part \"{}\", only {}", name, parts.empty() ? "nothing" : listed(names_of(parts))),
              "give a model file that has it, --model may be repeated");
}

Digest digest_of(const Part& part) {
  Sha256 hash;
  update_text(hash, part.config.dump());
  for (const auto& [name, tensor] : part.tensors) {
    update_text(hash, name);
    update_text(hash, name_of(tensor.dtype()));
    update_shape(hash, tensor.shape());
    const auto known = part.digests.find(name);
    const Digest content = known != part.digests.end() ? known->second : sha256(tensor.bytes());
    hash.update(std::as_bytes(std::span(content)));
  }
  return hash.finish();
}

void complete_digests(Model& model) {
  struct Missing {
    const Tensor* tensor;
    Digest* digest;
  };
  std::vector<Missing> missing;
  for (auto& [name, part] : model.parts) {
    for (const auto& [tensor_name, tensor] : part.tensors) {
      const auto [place, added] = part.digests.try_emplace(tensor_name);
      if (added) missing.push_back({&tensor, &place->second});
    }
  }
  ThreadPool(thread_count(0)).parallel_for(missing.size(), [&](std::size_t i, std::size_t) {
    *missing[i].digest = sha256(missing[i].tensor->bytes());
    release_pages(missing[i].tensor->bytes());
  });
}

Digest digest_of(const Model& model) {
  Sha256 hash;
  for (const auto& [name, part] : model.parts) {
    update_text(hash, name);
    const Digest content = digest_of(part);
    hash.update(std::as_bytes(std::span(content)));
  }
  return hash.finish();
}

}  // namespace mt
