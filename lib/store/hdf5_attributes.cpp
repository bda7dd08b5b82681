// Attributes and types of hdf5.h.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <stdexcept>

#include <fmt/format.h>

#include "base/error.h"
#include "store/hdf5.h"

namespace mt::h5 {

namespace {

std::string attribute_name(std::string_view where, const char* name) {
  return fmt::format("{}: attribute {}", where, name);
}

// Absent: an empty handle. Present: exactly one element.
Attribute open_attribute(hid_t object, const char* name, const std::string& where) {
  const htri_t exists = H5Aexists(object, name);
  if (exists < 0) fail(where, "look it up");
  if (exists == 0) return {};
  Attribute attribute(H5Aopen(object, name, H5P_DEFAULT), where, "open it");
  const Space space(H5Aget_space(attribute.get()), where, "read it");
  if (const hssize_t count = H5Sget_simple_extent_npoints(space.get()); count != 1) {
    throw Error(where, fmt::format("has {} elements, expected 1", count));
  }
  return attribute;
}

void write_scalar(hid_t object, const char* name, const Type& type, const void* value, std::string_view where) {
  const std::string full = attribute_name(where, name);
  const Space space(H5Screate(H5S_SCALAR), full, "create it");
  Attribute attribute(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), full, "create it");
  check(H5Awrite(attribute.get(), type.get(), value), full, "write it");
  attribute.close(full);
}

Type float_type(std::size_t exponent_bits, std::size_t mantissa_bits) {
  Type type(H5Tcopy(H5T_IEEE_F32LE), "type", "create it");
  check(H5Tset_fields(type.get(), 15, mantissa_bits, exponent_bits, 0, mantissa_bits), "type", "create it");
  check(H5Tset_size(type.get(), 2), "type", "create it");
  check(H5Tset_ebias(type.get(), (std::size_t{1} << (exponent_bits - 1)) - 1), "type", "create it");
  return type;
}

Type copied(hid_t type) { return {H5Tcopy(type), "type", "create it"}; }

std::optional<DType> float_dtype(hid_t type) {
  const std::size_t size = H5Tget_size(type);
  std::size_t sign, exponent_at, exponent_bits, mantissa_at, mantissa_bits;
  if (H5Tget_fields(type, &sign, &exponent_at, &exponent_bits, &mantissa_at, &mantissa_bits) < 0) return std::nullopt;
  if (size > 4) return DType::f64;
  if (size == 2 && exponent_bits == 5 && mantissa_bits == 10) return DType::f16;
  if (size == 2 && exponent_bits == 8 && mantissa_bits == 7) return DType::bf16;
  return DType::f32;
}

std::optional<DType> integer_dtype(hid_t type) {
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  switch (H5Tget_size(type)) {
    case 1:
      return is_signed ? DType::i8 : DType::u8;
    case 2:
      return is_signed ? DType::i16 : DType::u16;
    case 4:
      return is_signed ? DType::i32 : DType::i64;
    case 8:
      return DType::i64;
    default:
      return std::nullopt;
  }
}

}  // namespace

void write_attribute(hid_t object, const char* name, std::string_view text, std::string_view where) {
  const Lock lock;
  const std::string value = text.empty() ? std::string(1, '\0') : std::string(text);
  write_scalar(object, name, text_type(value.size()), value.data(), where);
}

void write_attribute(hid_t object, const char* name, std::int64_t value, std::string_view where) {
  const Lock lock;
  write_scalar(object, name, type_of(DType::i64), &value, where);
}

void write_dimension_labels(hid_t dataset, const std::vector<const char*>& labels, std::string_view where) {
  const Lock lock;
  const std::string full = attribute_name(where, "DIMENSION_LABELS");
  const Type type = copied(H5T_C_S1);
  check(H5Tset_size(type.get(), H5T_VARIABLE), full, "create it");
  const hsize_t count = labels.size();
  const Space space(H5Screate_simple(1, &count, nullptr), full, "create it");
  Attribute attribute(H5Acreate2(dataset, "DIMENSION_LABELS", type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), full,
                      "create it");
  check(H5Awrite(attribute.get(), type.get(), static_cast<const void*>(labels.data())), full, "write it");
  attribute.close(full);
}

std::optional<std::string> read_text_attribute(hid_t object, const char* name, std::string_view where,
                                               std::size_t limit) {
  const Lock lock;
  const std::string full = attribute_name(where, name);
  const Attribute attribute = open_attribute(object, name, full);
  if (!attribute) return std::nullopt;
  const Type type(H5Aget_type(attribute.get()), full, "read it");
  if (H5Tget_class(type.get()) != H5T_STRING) {
    throw Error(full, fmt::format("is {}, expected a string", describe(type.get())));
  }
  std::string text;
  if (H5Tis_variable_str(type.get()) > 0) {
    char* value = nullptr;
    check(H5Aread(attribute.get(), type.get(), static_cast<void*>(&value)), full, "read it");
    const std::unique_ptr<char, void (*)(char*)> owner(value, [](char* p) { H5free_memory(p); });
    if (value != nullptr) text.assign(value, strnlen(value, limit + 1));
  } else {
    const std::size_t size = H5Tget_size(type.get());
    if (size > limit) throw Error(full, fmt::format("is {} bytes long, the limit is {}", size, limit));
    text.resize(size);
    check(H5Aread(attribute.get(), type.get(), text.data()), full, "read it");
    text = unpadded(text, H5Tget_strpad(type.get()));
  }
  if (text.size() > limit) throw Error(full, fmt::format("is longer than {} bytes", limit));
  return text;
}

std::optional<std::int64_t> read_integer_attribute(hid_t object, const char* name, std::string_view where) {
  const Lock lock;
  const std::string full = attribute_name(where, name);
  const Attribute attribute = open_attribute(object, name, full);
  if (!attribute) return std::nullopt;
  const Type type(H5Aget_type(attribute.get()), full, "read it");
  const H5T_class_t kind = H5Tget_class(type.get());
  // h5py's booleans are an enumeration over int8.
  if ((kind != H5T_INTEGER && kind != H5T_ENUM) || H5Tget_size(type.get()) > 8) {
    throw Error(full, fmt::format("is {}, expected an integer", describe(type.get())));
  }
  std::array<std::byte, 8> raw{};
  check(H5Aread(attribute.get(), type.get(), raw.data()), full, "read it");
  const Type base = kind == H5T_ENUM ? Type(H5Tget_super(type.get()), full, "read it") : copied(type.get());
  const Type wanted = type_of(DType::i64);
  check(H5Tconvert(base.get(), wanted.get(), 1, raw.data(), nullptr, H5P_DEFAULT), full, "read it");
  std::int64_t value;
  std::memcpy(&value, raw.data(), sizeof value);
  return value;
}

Type type_of(DType dtype) {
  const Lock lock;
  switch (dtype) {
    case DType::f32:
      return copied(H5T_IEEE_F32LE);
    case DType::f64:
      return copied(H5T_IEEE_F64LE);
    case DType::f16:
      return float_type(5, 10);
    case DType::bf16:
      return float_type(8, 7);
    case DType::i64:
      return copied(H5T_STD_I64LE);
    case DType::i32:
      return copied(H5T_STD_I32LE);
    case DType::i16:
      return copied(H5T_STD_I16LE);
    case DType::i8:
      return copied(H5T_STD_I8LE);
    case DType::u8:
      return copied(H5T_STD_U8LE);
    case DType::u16:
      return copied(H5T_STD_U16LE);
    case DType::boolean:
      return copied(H5T_STD_U8LE);
  }
  throw std::logic_error("type_of: unknown DType");
}

Type text_type(std::size_t bytes) {
  const Lock lock;
  Type type = copied(H5T_C_S1);
  check(H5Tset_size(type.get(), std::max<std::size_t>(bytes, 1)), "type", "create it");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "type", "create it");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "type", "create it");
  return type;
}

std::string unpadded(std::string_view text, H5T_str_t padding) {
  if (padding == H5T_STR_NULLTERM) return std::string(text.substr(0, text.find('\0')));
  const std::size_t last = text.find_last_not_of(padding == H5T_STR_SPACEPAD ? ' ' : '\0');
  return std::string(text.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

std::optional<DType> dtype_of(hid_t type) {
  const Lock lock;
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_FLOAT) return float_dtype(type);
  if (kind == H5T_INTEGER) return integer_dtype(type);
  return std::nullopt;
}

std::string describe(hid_t type) {
  const Lock lock;
  const std::size_t bits = H5Tget_size(type) * 8;
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return fmt::format("a {}-bit integer", bits);
    case H5T_FLOAT:
      return fmt::format("a {}-bit float", bits);
    case H5T_STRING:
      return H5Tis_variable_str(type) > 0 ? "a variable-length string" : fmt::format("a string of {} bytes", bits / 8);
    case H5T_COMPOUND:
      return "a compound";
    case H5T_ENUM:
      return "an enumeration";
    case H5T_VLEN:
      return "a variable-length list";
    case H5T_ARRAY:
      return "an array";
    case H5T_REFERENCE:
      return "a reference";
    case H5T_OPAQUE:
      return "opaque";
    case H5T_BITFIELD:
      return "a bit field";
    case H5T_TIME:
      return "a time";
    default:
      return "of an unknown type";
  }
}

}  // namespace mt::h5
