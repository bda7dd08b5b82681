#include "store/schema_io.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace mt {

namespace {

bool rows_are_sequences(const Schema& schema) {
  return schema.kind == Kind::tokens || (schema.kind == Kind::features && schema.ragged);
}

std::string config_text(const nlohmann::json& config) {
  return config.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string inside(std::string_view where, std::string_view name) { return fmt::format("{}: /{}", where, name); }

Kind read_kind(hid_t file, std::string_view where) {
  const auto kind = h5::read_text_attribute(file, "mt_kind", where);
  if (!kind) throw Error(where, "is HDF5, but has no attribute mt_kind (see mt-format(5))");
  Kind known;
  try {
    known = kind_named(*kind);
  } catch (const Error& error) {
    throw error.within(where);
  }
  const auto format = h5::read_integer_attribute(file, "mt_format", where);
  if (!format) throw Error(where, "has no attribute mt_format (see mt-format(5))");
  if (*format > kFormat) {
    throw Error(where, fmt::format("has format {}, this release reads up to {}", *format, kFormat),
                "use a newer release of the toolkit");
  }
  if (*format < 1) throw Error(where, fmt::format("has format {}, the first one is 1", *format));
  if (known == Kind::model) throw Error(where, "is a model file; tokens, patches or features are wanted");
  return known;
}

void require_complete(hid_t file, const std::string& creator, std::string_view where) {
  const auto complete = h5::read_integer_attribute(file, "mt_complete", where);
  if (complete ? *complete != 1 : creator.starts_with("mt-")) {
    throw Error(where, "is unfinished: its mt_complete is not set", "make it again");
  }
}

// A data set's shape and type, without reading it.
struct Outline {
  h5::Extents extents;
  std::optional<DType> dtype;
  std::string type;
};

std::optional<Outline> outline_of(hid_t file, const std::string& name, std::string_view where) {
  if (!h5::has(file, name, where)) return std::nullopt;
  const h5::Opened opened = h5::open_dataset(file, name, where, true);
  const h5::Type type(H5Dget_type(opened.dataset.get()), inside(where, name), "read its type");
  return Outline{opened.declared.extents, h5::dtype_of(type.get()), h5::describe(type.get())};
}

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16 || dtype == DType::bf16;
}

enum class Numbers : std::uint8_t { integers, any };

// Columns of a two-dimensional data set (1 for a one-dimensional one where that is allowed), 0 when it is absent.
std::size_t read_width(hid_t file, const std::string& name, Numbers numbers, std::size_t expected, bool or_list,
                       std::string_view where) {
  const auto outline = outline_of(file, name, where);
  if (!outline) return 0;
  if (!outline->dtype || (numbers == Numbers::integers && is_float(*outline->dtype))) {
    throw Error(inside(where, name), fmt::format("is {}, expected {}", outline->type,
                                                 numbers == Numbers::integers ? "integers" : "numbers"));
  }
  const bool list = or_list && outline->extents.size() == 1;
  if (outline->extents.size() != 2 && !list) {
    throw Error(inside(where, name), fmt::format("has {} dimensions, expected 2", outline->extents.size()));
  }
  const std::size_t width = list ? 1 : outline->extents[1];
  if (width == 0) throw Error(inside(where, name), "has rows of 0 numbers");
  if (expected != 0 && width != expected) {
    throw Error(inside(where, name), fmt::format("is {} wide, expected {}", width, expected));
  }
  return width;
}

// True when a list of integers is there.
bool has_list(hid_t file, const std::string& name, std::string_view where) {
  const auto outline = outline_of(file, name, where);
  if (!outline) return false;
  if (!outline->dtype || is_float(*outline->dtype)) {
    throw Error(inside(where, name), fmt::format("is {}, expected integers", outline->type));
  }
  if (outline->extents.size() != 1) {
    throw Error(inside(where, name), fmt::format("has {} dimensions, expected 1", outline->extents.size()));
  }
  return true;
}

void read_main(hid_t file, Schema& schema, std::string_view where) {
  const std::string name(schema.rows_name());
  const auto outline = outline_of(file, name, where);
  if (!outline) throw Error(inside(where, name), fmt::format("is missing, and mt_kind is {}", name));
  const bool bytes = outline->dtype == DType::u8 && schema.kind == Kind::patches;
  if (!outline->dtype || !(is_float(*outline->dtype) || bytes)) {
    throw Error(inside(where, name), fmt::format("is {}, expected {}", outline->type,
                                                 schema.kind == Kind::patches ? "floats or bytes" : "floats"));
  }
  schema.dtype = bytes || *outline->dtype == DType::f16 ? *outline->dtype : DType::f32;
  if (outline->extents.size() != 2) {
    throw Error(inside(where, name), fmt::format("has {} dimensions, expected 2", outline->extents.size()));
  }
  schema.width = outline->extents[1];
  if (schema.width == 0) throw Error(inside(where, name), "has rows of 0 numbers");
  schema.ragged = has_list(file, "offsets", where);
  if (!schema.ragged && (schema.kind == Kind::tokens || schema.kind == Kind::patches)) {
    throw Error(inside(where, "offsets"), "is missing: it says where each sequence starts");
  }
}

void read_row_attributes(hid_t file, Schema& schema, std::string_view where) {
  const std::string name(schema.rows_name());
  const h5::Opened opened = h5::open_dataset(file, name, where, true);
  const hid_t dataset = opened.dataset.get();
  const std::string full = inside(where, name);
  schema.source = h5::read_text_attribute(dataset, "source", full).value_or("");
  if (!rows_are_sequences(schema)) return;
  const std::int64_t prefix = h5::read_integer_attribute(dataset, "prefix", full).value_or(0);
  if (prefix < 0 || prefix > 1000) throw Error(full, fmt::format("its prefix is {}, expected 0 to 1000", prefix));
  schema.prefix = static_cast<std::size_t>(prefix);
  schema.positions = h5::read_integer_attribute(dataset, "positions", full).value_or(1) != 0;
  schema.pre_norm = h5::read_integer_attribute(dataset, "pre_norm", full).value_or(1) != 0;
}

void read_config(hid_t file, Schema& schema, std::string_view where) {
  const auto text = h5::read_text_attribute(file, "mt_config", where);
  if (text && !text->empty()) {
    schema.config = parse_json(*text, fmt::format("{}: mt_config", where));
    if (!schema.config.is_object()) throw Error(where, "mt_config is not a JSON object");
  }
  schema.modality = h5::read_text_attribute(file, "mt_modality", where).value_or("");
  if (const auto entry = schema.config.find("modality"); schema.modality.empty() && entry != schema.config.end()) {
    if (entry->is_string()) schema.modality = entry->get<std::string>();
  }
}

std::vector<std::string> read_names(hid_t file, const std::string& name, std::string_view where) {
  if (!h5::has(file, name, where)) return {};
  return h5::read_texts(file, name, where);
}

}  // namespace

Schema as_stored(Schema schema) {
  schema.config = nlohmann::json::parse(config_text(schema.config));
  if (!rows_are_sequences(schema)) {
    schema.prefix = 0;
    schema.positions = schema.pre_norm = true;
  }
  return schema;
}

void write_root(hid_t file, const Schema& schema, std::string_view where) {
  const h5::Lock lock;
  h5::write_attribute(file, "mt_kind", name_of(schema.kind), where);
  h5::write_attribute(file, "mt_format", std::int64_t{kFormat}, where);
  h5::write_attribute(file, "mt_creator", schema.creator, where);
  h5::write_attribute(file, "mt_config", config_text(schema.config), where);
  if (!schema.modality.empty()) h5::write_attribute(file, "mt_modality", schema.modality, where);
  if (!schema.label_names.empty()) h5::write_texts(file, "label_names", schema.label_names, where);
  if (!schema.target_names.empty()) h5::write_texts(file, "target_names", schema.target_names, where);
  if (!schema.number_names.empty()) h5::write_texts(file, "number_names", schema.number_names, where);
}

void write_row_attributes(hid_t dataset, const Schema& schema, std::string_view where) {
  const h5::Lock lock;
  if (!schema.source.empty()) h5::write_attribute(dataset, "source", schema.source, where);
  if (!rows_are_sequences(schema)) return;
  h5::write_attribute(dataset, "prefix", static_cast<std::int64_t>(schema.prefix), where);
  h5::write_attribute(dataset, "positions", std::int64_t{schema.positions}, where);
  h5::write_attribute(dataset, "pre_norm", std::int64_t{schema.pre_norm}, where);
}

void write_completion(hid_t file, const Digest& inputs, std::string_view where) {
  const h5::Lock lock;
  h5::write_attribute(file, "mt_inputs", hex(inputs), where);
  h5::check(H5Fflush(file, H5F_SCOPE_LOCAL), where, "write it");
  h5::write_attribute(file, "mt_complete", std::int64_t{1}, where);
}

Schema read_schema(hid_t file, std::string_view where) {
  const h5::Lock lock;
  Schema schema;
  schema.kind = read_kind(file, where);
  schema.creator = h5::read_text_attribute(file, "mt_creator", where).value_or("");
  require_complete(file, schema.creator, where);
  read_config(file, schema, where);
  read_main(file, schema, where);
  read_row_attributes(file, schema, where);
  schema.has_labels = has_list(file, "labels", where);
  schema.label_names = read_names(file, "label_names", where);
  schema.target_width = read_width(file, "targets", Numbers::any, 0, true, where);
  schema.target_names = read_names(file, "target_names", where);
  if (!schema.target_names.empty() && schema.target_names.size() != schema.target_width) {
    throw Error(inside(where, "target_names"),
                fmt::format("has {} names for {} targets", schema.target_names.size(), schema.target_width));
  }
  schema.number_width = read_width(file, "numbers", Numbers::any, 0, false, where);
  schema.number_names = read_names(file, "number_names", where);
  if (!schema.number_names.empty() && schema.number_names.size() != schema.number_width) {
    throw Error(inside(where, "number_names"),
                fmt::format("has {} names for {} numbers", schema.number_names.size(), schema.number_width));
  }
  schema.code_width = read_width(file, "codes", Numbers::integers, 0, false, where);
  schema.has_centers = read_width(file, "centers", Numbers::any, 3, false, where) > 0;
  schema.has_token_labels = has_list(file, "token_labels", where);
  schema.has_grid = read_width(file, "grid", Numbers::integers, 3, false, where) > 0;
  schema.has_boxes = read_width(file, "boxes", Numbers::any, 5, false, where) > 0;
  if (schema.has_boxes && !has_list(file, "box_offsets", where)) {
    throw Error(inside(where, "box_offsets"), "is missing: it says which /boxes are whose");
  }
  return schema;
}

Digest read_inputs(hid_t file, std::string_view where) {
  const h5::Lock lock;
  const auto text = h5::read_text_attribute(file, "mt_inputs", where);
  if (!text) return {};
  try {
    return digest_from_hex(*text);
  } catch (const Error& error) {
    throw error.within(fmt::format("{}: attribute mt_inputs", where));
  }
}

}  // namespace mt
