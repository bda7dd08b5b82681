#include "store/pytorch.h"

#include <cstring>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/error.h"
#include "store/pickle.h"
#include "store/pytorch_values.h"

namespace mt {

namespace {

// torch.serialization.MAGIC_NUMBER, as a 10-byte pickled integer.
constexpr std::string_view kLegacyMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::int64_t kLegacyVersion = 1001;

std::uint64_t byte_count(const StorageReference& reference, const std::string& where) {
  return checked_mul<std::uint64_t>(reference.count, reference.dtype ? size_of(*reference.dtype) : 1, where);
}

bool allowed_data(std::string_view name) { return is_pytorch_global(name, false); }
bool allowed_script(std::string_view name) { return is_pytorch_global(name, true); }

// Every storage's bytes, its checksum verified once, when it is first asked for.
class ZipStorages {
 public:
  ZipStorages(const ZipArchive& archive, std::string folder, const std::string& where)
      : archive_(archive), folder_(std::move(folder)), where_(where) {}

  std::span<const std::byte> operator()(const StorageReference& reference) {
    const std::string name = fmt::format("{}data/{}", folder_, reference.key);
    const ZipEntry* entry = archive_.find(name);
    if (entry == nullptr) throw Error(where_, fmt::format("refers to \"{}\", which it does not hold", name));
    const std::uint64_t bytes = byte_count(reference, where_);
    if (entry->size != bytes) {
      throw Error(where_, fmt::format("declares {} bytes for \"{}\", which has {}", bytes, name, entry->size));
    }
    return verified_.insert(name).second ? archive_.stored(*entry) : archive_.packed(*entry);
  }

 private:
  const ZipArchive& archive_;
  std::string folder_;
  const std::string& where_;
  std::set<std::string> verified_;
};

void require_little_endian(const ZipArchive& archive, const std::string& folder, const std::string& where) {
  const ZipEntry* entry = archive.find(folder + "byteorder");
  if (entry == nullptr) return;  // before PyTorch 2.1
  const auto order = archive.stored(*entry);
  const std::string_view text(reinterpret_cast<const char*>(order.data()), order.size());
  if (text != "little")
    throw Error(where, fmt::format("has byte order \"{}\", only little is read", text.substr(0, 16)));
}

const PickleValue* value_at(const PickleValue& dict, std::string_view key) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    if (dict.items[i]->text == key) return dict.items[i + 1];
  }
  return nullptr;
}

// The preamble of the old format: magic number, version, the writer's byte order.
void read_preamble(ByteReader& reader, const std::string& where) {
  const Pickle magic(reader, allowed_data), version(reader, allowed_data), system(reader, allowed_data);
  if (magic.root().text != kLegacyMagic || version.root().integer != kLegacyVersion) {
    throw Error(where, "is not a PyTorch file that is known");
  }
  const PickleValue* little = value_at(system.root(), "little_endian");
  if (little == nullptr || little->integer != 1) throw Error(where, "was written on a big-endian machine");
}

// Behind the pickles: the list of keys, then for each its number of elements and its bytes. How wide an element is
// stands in the pickle alone, so the references are collected first.
void collect(const PickleValue& value, std::map<std::string_view, StorageReference>& references,
             std::set<const PickleValue*>& seen, const std::string& where, std::size_t depth) {
  if (depth > 64) throw Error(where, "is nested deeper than 64 levels");
  if (!seen.insert(&value).second) return;
  if (value.kind == PickleValue::Kind::persistent) {
    const StorageReference reference = storage_reference(value, where);
    const auto [known, added] = references.emplace(reference.key, reference);
    if (!added && (known->second.dtype != reference.dtype || known->second.count != reference.count)) {
      throw Error(where, fmt::format("describes storage \"{}\" in two ways", reference.key));
    }
    return;
  }
  for (const PickleValue* item : value.items) collect(*item, references, seen, where, depth + 1);
}

std::map<std::string_view, std::span<const std::byte>> read_storages(
    ByteReader& reader, const PickleValue& keys, const std::map<std::string_view, StorageReference>& references,
    const std::string& where) {
  std::map<std::string_view, std::span<const std::byte>> storages;
  if (keys.kind != PickleValue::Kind::list) throw Error(where, "has no list of storages");
  for (const PickleValue* key : keys.items) {
    const auto reference = references.find(key->text);
    if (reference == references.end())
      throw Error(where, fmt::format("holds storage \"{}\", which nothing uses", key->text));
    if (reader.take<std::uint64_t>() != reference->second.count) {
      throw Error(where, fmt::format("holds storage \"{}\" in another size than declared", key->text));
    }
    if (!storages.emplace(key->text, reader.take_bytes(byte_count(reference->second, where))).second) {
      throw Error(where, fmt::format("holds storage \"{}\" twice", key->text));
    }
  }
  if (reader.remaining() != 0)
    throw Error(where, fmt::format("has {} bytes behind its last storage", reader.remaining()));
  return storages;
}

}  // namespace

const ZipEntry* pytorch_pickle_of(const ZipArchive& archive) {
  for (const ZipEntry& entry : archive.entries()) {
    const std::size_t slash = entry.name.find('/');
    if (slash != std::string::npos && std::string_view(entry.name).substr(slash + 1) == "data.pkl") return &entry;
  }
  return nullptr;
}

Checkpoint read_pytorch_zip(std::shared_ptr<const MappedFile> file, const ZipArchive& archive, const ZipEntry& pickle,
                            const std::string& where) {
  const std::string folder = pickle.name.substr(0, pickle.name.find('/') + 1);
  require_little_endian(archive, folder, where);
  const bool script = archive.find(folder + "constants.pkl") != nullptr;
  ByteReader reader(archive.stored(pickle), where);
  const Pickle content(reader, script ? allowed_script : allowed_data);
  Checkpoint checkpoint;
  checkpoint.container = script ? "torchscript" : "pytorch";
  ZipStorages storages(archive, folder, where);
  const std::uint64_t copy_budget = 2 * file->bytes().size();
  flatten(content.root(), {storages, std::move(file), copy_budget}, where, checkpoint);
  return checkpoint;
}

bool looks_like_legacy_pytorch(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 64));
  return text.starts_with('\x80') && text.find(kLegacyMagic) != std::string_view::npos;
}

Checkpoint read_legacy_pytorch(std::shared_ptr<const MappedFile> file, const std::string& where) {
  ByteReader reader(file->bytes(), where);
  read_preamble(reader, where);
  const Pickle content(reader, allowed_data), keys(reader, allowed_data);
  std::map<std::string_view, StorageReference> references;
  std::set<const PickleValue*> seen;
  collect(content.root(), references, seen, where, 0);
  const auto found = read_storages(reader, keys.root(), references, where);
  const Storages storages = [&](const StorageReference& reference) {
    const auto storage = found.find(reference.key);
    if (storage == found.end())
      throw Error(where, fmt::format("refers to storage \"{}\", which it does not hold", reference.key));
    return storage->second;
  };
  Checkpoint checkpoint;
  checkpoint.container = "pytorch";
  const std::uint64_t copy_budget = 2 * file->bytes().size();
  flatten(content.root(), {storages, std::move(file), copy_budget}, where, checkpoint);
  return checkpoint;
}

}  // namespace mt
