#include "store/shards.h"

#include "base/error.h"
#include "store/file_reader.h"

namespace mt {

Shards::Shards(const std::vector<std::string>& names) : names_(names) {
  if (names_.empty()) throw UsageError("", "there is nothing to join", "name the shards");
  for (const std::string& name : names_) {
    readers_.push_back(SampleReader::open(name));
    const Schema& expected = readers_[0]->schema();
    Schema found = readers_.back()->schema();
    label_maps_.emplace_back();
    if (!found.label_names.empty() && !expected.label_names.empty() && found.label_names != expected.label_names) {
      label_maps_.back().emplace(found.label_names, expected.label_names, name);
      found.label_names = expected.label_names;
    }
    if (const std::string other = difference(found, expected); !other.empty()) {
      throw Error(name, "is no shard of the same run as " + names_[0] + ": " + other);
    }
  }
}

Digest Shards::inputs(const SetDigest& superseded) const {
  const Digest all = joint_inputs(readers_);
  if (all == Digest{}) return all;
  SetDigest rest = SetDigest::from(all);
  rest.remove(superseded);
  return rest.value();
}

void Shards::map_labels(std::size_t i, Batch& batch) const {
  if (label_maps_[i]) batch.labels = (*label_maps_[i])(batch.labels);
}

std::vector<const SampleFile*> Shards::files() const {
  std::vector<const SampleFile*> files;
  for (const auto& reader : readers_) {
    const auto* file = dynamic_cast<const FileReader*>(reader.get());
    if (file == nullptr) return {};
    files.push_back(&file->file());
  }
  return files;
}

}  // namespace mt
