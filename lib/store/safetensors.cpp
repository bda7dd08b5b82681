#include "store/safetensors.h"

#include <algorithm>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/byte_reader.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/json.h"
#include "store/foreign_tensor.h"

namespace mt {

namespace {

// The reference reader allows 100 MB; a thousand tensors need 0.1 MB, and parsed JSON takes ten times its text.
constexpr std::uint64_t kMaxHeader = std::uint64_t{10} << 20;
constexpr std::size_t kMaxRank = 32;
constexpr std::string_view kMetadata = "__metadata__";

struct Type {
  std::string_view code;
  DType dtype;
};
constexpr Type kTypes[] = {{"F32", DType::f32}, {"F64", DType::f64}, {"F16", DType::f16},     {"BF16", DType::bf16},
                           {"I64", DType::i64}, {"I32", DType::i32}, {"I16", DType::i16},     {"I8", DType::i8},
                           {"U8", DType::u8},   {"U16", DType::u16}, {"BOOL", DType::boolean}};

struct Extent {
  std::uint64_t begin, end;
  std::string name;
};

struct Entry {
  DType dtype;
  Shape shape;
  Extent extent;
};

DType dtype_coded(const std::string& code, const std::string& where) {
  for (const Type& type : kTypes) {
    if (type.code == code) return type.dtype;
  }
  throw Error(where, fmt::format("holds type \"{}\", which is not supported", code));
}

std::string_view code_of(DType dtype) {
  return std::find_if(std::begin(kTypes), std::end(kTypes), [dtype](const Type& t) { return t.dtype == dtype; })->code;
}

std::uint64_t unsigned_number(const nlohmann::json& value, const std::string& where) {
  if (!value.is_number_unsigned()) throw Error(where, "has a size or offset that is not a whole number");
  return value.get<std::uint64_t>();
}

Entry read_entry(const std::string& name, const nlohmann::json& value, const std::string& where) {
  const bool complete = value.is_object() && value.size() == 3 && value.contains("dtype") &&
                        value["dtype"].is_string() && value.contains("shape") && value["shape"].is_array() &&
                        value.contains("data_offsets") && value["data_offsets"].is_array() &&
                        value["data_offsets"].size() == 2;
  if (!complete || value["shape"].size() > kMaxRank)
    throw Error(where, "is not described by dtype, shape and data_offsets");
  Entry entry{dtype_coded(value["dtype"].get<std::string>(), where), {}, {0, 0, name}};
  for (const auto& size : value["shape"]) entry.shape.push_back(unsigned_number(size, where));
  entry.extent.begin = unsigned_number(value["data_offsets"][0], where);
  entry.extent.end = unsigned_number(value["data_offsets"][1], where);
  std::uint64_t count = 1;
  for (const std::uint64_t size : entry.shape) count = checked_mul(count, size, where);
  const std::uint64_t bytes = checked_mul<std::uint64_t>(count, size_of(entry.dtype), where);
  if (entry.extent.end < entry.extent.begin || entry.extent.end - entry.extent.begin != bytes) {
    throw Error(where, fmt::format("declares {} {} = {} bytes, but offsets {} to {}", to_string(entry.shape),
                                   name_of(entry.dtype), bytes, entry.extent.begin, entry.extent.end));
  }
  return entry;
}

// Together the tensors must cover the data exactly: no overlap, no hole, nothing behind the last one.
void require_cover(std::vector<Extent> extents, std::uint64_t size, const std::string& where) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  std::uint64_t covered = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != covered) {
      throw Error(where, fmt::format("{} starts at byte {}, the tensor before it ends at {}", extent.name, extent.begin,
                                     covered));
    }
    covered = extent.end;
  }
  if (covered != size)
    throw Error(where, fmt::format("holds {} bytes of tensors, its header describes {}", size, covered));
}

nlohmann::json read_metadata(const nlohmann::json& value, const std::string& where) {
  const bool valid =
      value.is_object() && std::all_of(value.begin(), value.end(), [](const auto& v) { return v.is_string(); });
  if (!valid) throw Error(where, "has metadata that are not strings");
  return value;
}

std::uint64_t declared_header(std::span<const std::byte> bytes) {
  return ByteReader(bytes, "safetensors").take<std::uint64_t>();
}

}  // namespace

bool looks_like_safetensors(std::span<const std::byte> bytes) {
  // A header length beyond the file still counts when a brace follows: the reader then says what is wrong.
  return bytes.size() > 8 && bytes[8] == std::byte{'{'};
}

Checkpoint read_safetensors(std::shared_ptr<const MappedFile> file, const std::string& where) {
  const auto bytes = file->bytes();
  const std::uint64_t header_size = declared_header(bytes);
  require_within(header_size, kMaxHeader, where, "the safetensors header");
  ByteReader reader(bytes, where, 8);
  const std::string_view text = reader.take_text(header_size);
  if (!text.starts_with('{')) throw Error(where, "has a safetensors header that does not start with \"{\"");
  const nlohmann::json header = parse_json(text, where, 8);
  const auto data = bytes.subspan(reader.position());

  Checkpoint checkpoint;
  checkpoint.container = "safetensors";
  std::vector<Entry> entries;
  for (const auto& [name, value] : header.items()) {
    if (name == kMetadata) {
      checkpoint.metadata = read_metadata(value, where);
    } else {
      entries.push_back(read_entry(name, value, where + ": " + name));
    }
  }
  std::vector<Extent> extents;
  for (const Entry& entry : entries) extents.push_back(entry.extent);
  require_cover(std::move(extents), data.size(), where);
  for (const Entry& entry : entries) {
    const auto content = data.subspan(entry.extent.begin, entry.extent.end - entry.extent.begin);
    checkpoint.tensors.emplace(
        entry.extent.name, foreign_tensor(entry.dtype, entry.shape, content, file, where + ": " + entry.extent.name));
  }
  return checkpoint;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata, bool force) {
  const std::string where = path.string();
  std::error_code ignored;
  if (!force && std::filesystem::exists(path, ignored)) throw Error(where, "exists already", "--force replaces it");
  // Widest types first, as the reference writer does: then every tensor is aligned to its elements.
  std::vector<const std::pair<const std::string, Tensor>*> order;
  for (const auto& item : tensors) order.push_back(&item);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return size_of(a->second.dtype()) > size_of(b->second.dtype());
  });
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header[kMetadata] = metadata;
  std::uint64_t end = 0;
  for (const auto* item : order) {
    const Tensor& tensor = item->second;
    const std::uint64_t begin = end;
    end = checked_add<std::uint64_t>(end, tensor.bytes().size(), where);
    header[item->first] = {
        {"dtype", code_of(tensor.dtype())}, {"shape", tensor.shape()}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize(checked_align<std::size_t>(text.size(), 64, where) + 56, ' ');  // the data then start on a cache line

  const std::uint64_t header_size = text.size();
  std::vector<std::span<const std::byte>> pieces = {std::as_bytes(std::span(&header_size, 1)),
                                                    std::as_bytes(std::span(text.data(), text.size()))};
  for (const auto* item : order) pieces.push_back(item->second.bytes());
  require_space(path, 8 + header_size + end);
  write_file(path, pieces);
}

}  // namespace mt
