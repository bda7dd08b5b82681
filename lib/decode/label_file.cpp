#include "decode/label_file.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/delimited.h"
#include "decode/sample_id.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

bool is_label_shape(const Shape& shape) { return shape.size() == 1 || (shape.size() == 2 && shape[1] == 1); }

// "": not a number.
std::string whole_number(double value, const StoredArray& array, std::size_t i) {
  if (std::isnan(value)) return {};
  if (value != std::floor(value) || std::abs(value) > 9e15) {
    throw Error(array.where, fmt::format("label {} is {}, whole numbers are needed", i, value),
                "use the array of class numbers");
  }
  return std::to_string(static_cast<std::int64_t>(value));
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.rfind(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string described(const std::vector<NpzMember>& members) {
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(members.size(), 8); ++i) {
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", members[i].name,
                        members[i].unread.empty() ? to_string(members[i].header.shape) : members[i].unread);
  }
  return members.size() > 8 ? text + ", ..." : text;
}

const NpzMember* find(const std::vector<NpzMember>& members, const std::string& name) {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const NpzMember& member) { return member.name == name; });
  return found == members.end() ? nullptr : &*found;
}

const NpzMember& named(const std::vector<NpzMember>& members, const std::string& name, const std::string& where) {
  const NpzMember* member = find(members, name);
  if (member == nullptr) {
    throw Error(where, fmt::format("has no array \"{}\", it holds {}", name, described(members)), "name one of them");
  }
  if (!member->unread.empty()) throw Error(fmt::format("{}: {}", where, name), member->unread, "name another array");
  return *member;
}

const NpzMember& only_pictures(const std::vector<NpzMember>& members, const std::string& where) {
  const NpzMember* chosen = nullptr;
  std::size_t candidates = 0;
  for (const std::size_t least_rank : {std::size_t{3}, std::size_t{2}}) {
    candidates = 0;
    for (const NpzMember& member : members) {
      if (!member.unread.empty() || member.header.is_text() || member.header.shape.size() < least_rank) continue;
      chosen = &member;
      ++candidates;
    }
    if (candidates > 0) break;
  }
  if (candidates == 1) return *chosen;
  throw Error(where, fmt::format("holds {} arrays that could be the samples: {}", candidates, described(members)),
              "choose one with --array NAME");
}

std::string labels_for(const std::vector<NpzMember>& members, const NpzMember& pictures) {
  const std::string& name = pictures.name;
  std::vector<std::string> candidates = {replaced(name, "images", "labels"), replaced(name, "image", "label"),
                                         replaced(name, "imgs", "labels"), replaced(name, "data", "labels"),
                                         replaced(name, "data", "target")};
  if (name == "x" || name.starts_with("x_") || name.ends_with("_x")) candidates.push_back(replaced(name, "x", "y"));
  if (name.starts_with("x_")) candidates.push_back("y" + name.substr(1));
  if (name == "X" || name.starts_with("X_") || name.ends_with("_X")) {
    candidates.push_back(replaced(name, "X", "y"));
    candidates.push_back(replaced(name, "X", "Y"));
  }
  for (const std::string& candidate : candidates) {
    const NpzMember* member = candidate == name ? nullptr : find(members, candidate);
    if (member != nullptr && member->unread.empty() && is_label_shape(member->header.shape)) return candidate;
  }
  return {};
}

StoredArray open_labels(const fs::path& file, ArrayFormat format, const std::string& label_array,
                        const ArrayStorage& storage) {
  if (format == ArrayFormat::idx) return open_idx(file, storage);
  if (format == ArrayFormat::npy) return open_npy(file);
  const std::vector<NpzMember> members = list_npz(file);
  if (!label_array.empty()) return open_npz(file, named(members, label_array, file.string()).name, storage);
  std::vector<NpzMember> fitting;
  std::copy_if(members.begin(), members.end(), std::back_inserter(fitting),
               [](const NpzMember& member) { return member.unread.empty() && is_label_shape(member.header.shape); });
  if (fitting.size() == 1) return open_npz(file, fitting[0].name, storage);
  throw Error(file.string(),
              fmt::format("holds {} arrays that could be labels: {}", fitting.size(), described(members)),
              "choose one with --label-array NAME");
}

// id -> label, as the table has them.
std::unordered_map<std::string, std::string> read_table(const LabelFile& file) {
  const ManifestColumns& columns = file.columns;
  const std::string name = file.path.string();
  DelimitedReader reader(file.path);
  std::vector<std::string> fields;
  if (!reader.next(fields)) throw Error(name, "is empty", "write a header and a line for each sample");
  const bool has_id = std::find(fields.begin(), fields.end(), columns.id) != fields.end();
  const bool has_path = std::find(fields.begin(), fields.end(), columns.path) != fields.end();
  const std::size_t key = column_named(fields, has_path && !has_id ? columns.path : columns.id, name);
  const std::size_t label = column_named(fields, columns.label, name);
  std::unordered_map<std::string, std::string> table;
  while (reader.next(fields)) {
    const std::string id = sample_id(fields[key], file.ids_without_extension);
    const auto [entry, fresh] = table.emplace(id, fields[label]);
    if (!fresh && entry->second != fields[label]) {
      throw Error(reader.where(),
                  fmt::format("labels \"{}\" \"{}\", an earlier line \"{}\"", id, fields[label], entry->second),
                  "keep one of the lines");
    }
  }
  return table;
}

}  // namespace

void add_array_labels(ClassLabels& labels, const StoredArray& array, std::size_t samples) {
  if (!is_label_shape(array.header.shape)) {
    throw Error(array.where, fmt::format("has the shape {}, labels have [N]", to_string(array.header.shape)),
                "use the array of class numbers");
  }
  if (array.rows() != samples) {
    throw Error(array.where, fmt::format("holds {} labels for {} samples", array.rows(), samples),
                "use the labels that belong to them");
  }
  if (array.header.is_text()) {
    for (const std::string& label : npy_texts(array.header, array.elements, array.where)) labels.add(label);
    return;
  }
  const Tensor values = array.all();
  if (values.dtype() == DType::i64) {
    for (const std::int64_t value : values.as<std::int64_t>()) labels.add(std::to_string(value));
    return;
  }
  const Tensor wide = values.to(DType::f64);
  for (std::size_t i = 0; i < samples; ++i) labels.add(whole_number(wide.as<double>()[i], array, i));
}

std::optional<fs::path> idx_labels_beside(const fs::path& images) {
  std::string name = images.filename().string();
  const std::string renamed = replaced(replaced(replaced(name, "images", "labels"), "idx3", "idx1"), "idx4", "idx1");
  if (renamed == name || renamed.find("labels") == std::string::npos) return std::nullopt;
  const bool packed = renamed.ends_with(".gz");
  const std::string other = packed ? renamed.substr(0, renamed.size() - 3) : renamed + ".gz";
  std::error_code error;
  for (const std::string& candidate : {renamed, other}) {
    const fs::path path = images.parent_path() / candidate;
    if (fs::is_regular_file(path, error)) return path;
  }
  return std::nullopt;
}

NpzChoice choose_npz_arrays(const std::vector<NpzMember>& members, const std::string& pictures,
                            const std::string& labels, const std::string& where) {
  const NpzMember& chosen = pictures.empty() ? only_pictures(members, where) : named(members, pictures, where);
  return {chosen.name, labels.empty() ? labels_for(members, chosen) : named(members, labels, where).name};
}

ClassLabels read_label_file(const LabelFile& file, std::size_t size, const std::function<std::string(std::size_t)>& id,
                            const ArrayStorage& storage) {
  ClassLabels labels;
  const ArrayFormat format = array_format(file.path);
  if (format != ArrayFormat::none) {
    add_array_labels(labels, open_labels(file.path, format, file.label_array, storage), size);
    return labels;
  }
  const std::unordered_map<std::string, std::string> table = read_table(file);
  std::size_t found = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const auto entry = table.find(id(i));
    if (entry == table.end())
      labels.add_unknown();
    else
      labels.add(entry->second);
    found += entry == table.end() ? 0 : 1;
  }
  if (found > 0) return labels;
  throw Error(file.path.string(), fmt::format("names none of the {} samples, whose first id is \"{}\"", size, id(0)),
              "its ids must be those of the samples");
}

}  // namespace mt
