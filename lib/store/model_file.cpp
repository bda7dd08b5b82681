#include "store/model_file.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "store/foreign_tensor.h"
#include "store/hdf5.h"
#include "store/schema.h"

namespace mt {

namespace {

// A cache line, and what AVX-512 loads like best; HDF5 aligns what is larger than this.
constexpr std::size_t kAlignment = 64;
// Tensors of other writers may be compressed; one that unpacks to more than this is a bomb.
constexpr std::uint64_t kMaxUnpacked = 64, kFreeUnpacked = std::uint64_t{64} << 20;
constexpr std::string_view kKind = "model", kConfig = "config", kDigest = "sha256";

// What a file says of one tensor, and where its bytes are.
struct StoredTensor {
  std::string name;
  h5::Opened opened;
  std::optional<std::string> digest;
};

// "tokenizer/image": at most one slash, and names that need no escaping anywhere.
void require_part_name(const std::string& name, std::string_view where) {
  const auto pieces = split(name, '/');
  const bool valid = pieces.size() <= 2 && std::all_of(pieces.begin(), pieces.end(), [](std::string_view piece) {
                       return !piece.empty() && std::all_of(piece.begin(), piece.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
                       });
                     });
  if (!valid) throw Error(where, fmt::format("cannot hold a part named \"{}\"", name));
}

void require_tensor_name(const std::string& name, std::string_view where) {
  if (name.empty() || name == "." || name.find('/') != std::string::npos || !is_utf8(name)) {
    throw Error(where, fmt::format("cannot hold a tensor named \"{}\"", name));
  }
}

h5::File open_model(const std::filesystem::path& path) {
  const std::string where = path.string();
  h5::File file = h5::open_file(path);
  const auto kind = h5::read_text_attribute(file.get(), "mt_kind", where);
  if (kind != kKind) {
    throw Error(where, kind ? fmt::format("holds {}, not a model", *kind) : "is an HDF5 file, but not one of ours",
                "see what it holds with mt-inspect");
  }
  const auto format = h5::read_integer_attribute(file.get(), "mt_format", where);
  if (!format || *format < 1) throw Error(where, "does not say its format (mt_format)");
  if (*format > kFormat) {
    throw Error(where, fmt::format("has format {}, this release reads up to {}", *format, kFormat),
                "use a newer release");
  }
  if (h5::read_integer_attribute(file.get(), "mt_complete", where) == 0)
    throw Error(where, "is incomplete", "make it again");
  return file;
}

nlohmann::json read_json(hid_t object, std::string_view name, const std::string& where) {
  const auto text = h5::read_text_attribute(object, std::string(name).c_str(), where);
  if (!text) return nlohmann::json::object();
  nlohmann::json value = parse_json(*text, where);
  if (!value.is_object()) throw Error(where, fmt::format("has a {} that is not a JSON object", name));
  return value;
}

// Calls visit(part name, group) for every part: groups with a configuration, at the root or one level below.
void for_each_part(hid_t root, const std::string& where, const std::function<void(const std::string&, hid_t)>& visit) {
  for (const std::string& name : h5::names(root, where)) {
    if (!h5::has(root, name, where) || !h5::is_group(root, name, where)) continue;
    const h5::Group group = h5::open_group(root, name, where);
    if (h5::read_text_attribute(group.get(), std::string(kConfig).c_str(), where)) {
      visit(name, group.get());
      continue;
    }
    for (const std::string& inner : h5::names(group.get(), where)) {
      if (!h5::is_group(group.get(), inner, where)) continue;
      visit(name + "/" + inner, h5::open_group(group.get(), inner, where).get());
    }
  }
}

void for_each_tensor(hid_t group, const std::string& where, const std::function<void(StoredTensor)>& visit) {
  for (const std::string& name : h5::names(group, where)) {
    StoredTensor tensor{name, h5::open_dataset(group, name, where), std::nullopt};
    tensor.digest =
        h5::read_text_attribute(tensor.opened.dataset.get(), std::string(kDigest).c_str(), where + ": " + name);
    visit(std::move(tensor));
  }
}

// A view of the mapped file where the bytes lie as they are needed, else a copy that HDF5 converts.
Tensor read_tensor(hid_t group, const StoredTensor& stored, const std::shared_ptr<const MappedFile>& file,
                   const std::string& where) {
  const auto offset = h5::mappable_offset(stored.opened);
  if (!offset) return h5::read_tensor(group, stored.name, where, kFreeUnpacked + kMaxUnpacked * file->bytes().size());
  const h5::Type type(H5Dget_type(stored.opened.dataset.get()), where, "read its type");
  const auto dtype = h5::dtype_of(type.get());
  const auto& declared = stored.opened.declared;
  if (!dtype || checked_add(*offset, declared.bytes, where) > file->bytes().size()) {
    throw Error(where + ": " + stored.name, "lies outside of its file", "make it again or copy it again");
  }
  return foreign_tensor(*dtype, Shape(declared.extents.begin(), declared.extents.end()),
                        file->bytes().subspan(*offset, declared.bytes), file, where);
}

void write_part(hid_t root, const std::string& name, const Part& part, const std::string& where) {
  require_part_name(name, where);
  const auto pieces = split(name, '/');
  const std::string outer(pieces[0]);
  h5::Group group = pieces.size() == 2 && h5::has(root, outer, where) ? h5::open_group(root, outer, where)
                                                                      : h5::create_group(root, outer, where);
  if (pieces.size() == 2) group = h5::create_group(group.get(), std::string(pieces[1]), where);
  h5::write_attribute(group.get(), std::string(kConfig).c_str(), part.config.dump(), where);
  for (const auto& [tensor_name, tensor] : part.tensors) {
    require_tensor_name(tensor_name, where);
    h5::write_tensor(group.get(), tensor_name, tensor, where);
    const h5::Dataset dataset(H5Dopen2(group.get(), tensor_name.c_str(), H5P_DEFAULT), where, "open it");
    const auto known = part.digests.find(tensor_name);
    const Digest digest = known != part.digests.end() ? known->second : sha256(tensor.bytes());
    h5::write_attribute(dataset.get(), std::string(kDigest).c_str(), hex(digest), where);
  }
}

std::uint64_t bytes_of(const Model& model) {
  std::uint64_t bytes = std::uint64_t{1} << 20;  // metadata
  for (const auto& [name, part] : model.parts) {
    for (const auto& [tensor_name, tensor] : part.tensors) bytes += tensor.bytes().size() + kAlignment;
  }
  return bytes;
}

}  // namespace

bool is_model_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::byte start[8] = {};
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(start), sizeof start);
  if (!h5::has_hdf5_signature(start)) return false;
  const h5::Lock lock;
  const h5::File file = h5::open_file(path);
  return h5::read_text_attribute(file.get(), "mt_kind", path.string()) == kKind;
}

Model read_model_file(const std::filesystem::path& path) {
  const h5::Lock lock;
  const std::string where = path.string();
  const h5::File file = open_model(path);
  const auto mapped = MappedFile::open(path);
  Model model;
  model.source = where;
  model.provenance = read_json(file.get(), "mt_config", where);
  for_each_part(file.get(), where, [&](const std::string& name, hid_t group) {
    const std::string place = where + ": " + name;
    Part& part = model.parts[name];
    part.config = read_json(group, kConfig, place);
    for_each_tensor(group, place, [&](const StoredTensor& stored) {
      part.tensors.emplace(stored.name, read_tensor(group, stored, mapped, place));
      if (stored.digest) part.digests.emplace(stored.name, digest_from_hex(*stored.digest));
    });
  });
  return model;
}

void write_model_file(const std::filesystem::path& path, const Model& model, const std::string& creator, bool force) {
  const std::string where = path.string();
  std::error_code ignored;
  if (!force && std::filesystem::exists(path, ignored)) throw Error(where, "exists already", "--force replaces it");
  require_space(path, bytes_of(model));
  StagedFile staged(path);
  {
    const h5::Lock lock;
    h5::File file = h5::create_file(staged.path(), kAlignment);
    h5::write_attribute(file.get(), "mt_kind", kKind, where);
    h5::write_attribute(file.get(), "mt_format", std::int64_t{kFormat}, where);
    h5::write_attribute(file.get(), "mt_creator", creator, where);
    h5::write_attribute(file.get(), "mt_config", model.provenance.dump(), where);
    h5::write_attribute(file.get(), "mt_inputs", hex(digest_of(model)), where);
    for (const auto& [name, part] : model.parts) write_part(file.get(), name, part, where);
    h5::write_attribute(file.get(), "mt_complete", std::int64_t{1}, where);
    h5::close_file(file, where);
  }
  staged.publish();
}

void verify_model_file(const std::filesystem::path& path) {
  const Model model = read_model_file(path);
  const std::string where = path.string();
  for (const auto& [name, part] : model.parts) {
    for (const auto& [tensor_name, tensor] : part.tensors) {
      const std::string place = fmt::format("{}: {}/{}", where, name, tensor_name);
      const auto stated = part.digests.find(tensor_name);
      if (stated == part.digests.end()) throw Error(place, "has no digest to compare with");
      if (sha256(tensor.bytes()) != stated->second) {
        throw Error(place, "is damaged: its contents do not match their digest", "make it again or copy it again");
      }
    }
  }
  const h5::Lock lock;
  const h5::File file = open_model(path);
  const auto inputs = h5::read_text_attribute(file.get(), "mt_inputs", where);
  if (inputs != hex(digest_of(model)))
    throw Error(where, "is damaged: its configuration does not match its digest", "make it again");
}

}  // namespace mt
