#include "store/pytorch_values.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "store/foreign_tensor.h"

namespace mt {

namespace {

using Kind = PickleValue::Kind;

// More than any model has; together they bound memory and time, since shared dictionaries could be walked without end.
constexpr std::size_t kMaxNodes = 1 << 20, kMaxLeaves = 1 << 17, kMaxDepth = 64, kMaxName = 512, kMaxRank = 16;

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr TypeName kStorages[] = {{"torch.FloatStorage", DType::f32}, {"torch.DoubleStorage", DType::f64},
                                  {"torch.HalfStorage", DType::f16},  {"torch.BFloat16Storage", DType::bf16},
                                  {"torch.LongStorage", DType::i64},  {"torch.IntStorage", DType::i32},
                                  {"torch.ShortStorage", DType::i16}, {"torch.CharStorage", DType::i8},
                                  {"torch.ByteStorage", DType::u8},   {"torch.BoolStorage", DType::boolean}};
constexpr TypeName kTypes[] = {
    {"torch.float32", DType::f32},   {"torch.float64", DType::f64}, {"torch.float16", DType::f16},
    {"torch.bfloat16", DType::bf16}, {"torch.int64", DType::i64},   {"torch.int32", DType::i32},
    {"torch.int16", DType::i16},     {"torch.int8", DType::i8},     {"torch.uint8", DType::u8},
    {"torch.uint16", DType::u16},    {"torch.bool", DType::boolean}};
constexpr std::string_view kUntyped[] = {"torch.storage.UntypedStorage", "torch.UntypedStorage"};
constexpr std::string_view kRebuildTensor = "torch._utils._rebuild_tensor",
                           kRebuildTensor2 = "torch._utils._rebuild_tensor_v2",
                           kRebuildTensor3 = "torch._utils._rebuild_tensor_v3",
                           kRebuildParameter = "torch._utils._rebuild_parameter",
                           kRebuildParameterState = "torch._utils._rebuild_parameter_with_state",
                           kRebuildFromType = "torch._tensor._rebuild_from_type_v2";
// Kept as inert objects and left out: what training scripts store beside the weights.
constexpr std::string_view kInert[] = {"argparse.Namespace",
                                       "torch.device",
                                       "torch.Size",
                                       "torch.Tensor",
                                       "torch.nn.parameter.Parameter",
                                       "numpy.core.multiarray.scalar",
                                       "numpy._core.multiarray.scalar",
                                       "numpy.dtype",
                                       "_codecs.encode",
                                       "torch.jit._pickle.build_intlist",
                                       "torch.jit._pickle.build_doublelist",
                                       "torch.jit._pickle.build_boollist",
                                       "torch.jit._pickle.build_tensorlist",
                                       "torch.jit._pickle.restore_type_tag"};

template <class Table>
std::optional<DType> find_type(const Table& table, std::string_view name) {
  for (const TypeName& type : table) {
    if (type.name == name) return type.dtype;
  }
  return std::nullopt;
}

template <class Table>
bool contains(const Table& table, std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

std::uint64_t natural(const PickleValue& value, const std::string& where) {
  if (value.kind != Kind::integer || value.integer < 0)
    throw Error(where, "has a size, stride or offset that is not a natural number");
  return static_cast<std::uint64_t>(value.integer);
}

std::vector<std::uint64_t> naturals(const PickleValue& value, const std::string& where) {
  // torch.Size(...) stands for the tuple in it.
  if (value.kind == Kind::object && value.text == "torch.Size" && value.items.size() == 1)
    return naturals(*value.items[0], where);
  if (value.kind != Kind::tuple || value.items.size() > kMaxRank) throw Error(where, "has a damaged shape");
  std::vector<std::uint64_t> numbers;
  for (const PickleValue* item : value.items) numbers.push_back(natural(*item, where));
  return numbers;
}

struct View {
  Shape shape;
  std::vector<std::uint64_t> strides;
  std::uint64_t offset = 0, count = 0;  // in elements

  bool is_row_major() const {
    std::uint64_t expected = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (shape[d] == 1) continue;
      if (strides[d] != expected) return false;
      expected *= shape[d];
    }
    return true;
  }
};

// Throws unless every element of the view lies in the storage, and in a place of its own.
void require_inside(const View& view, std::uint64_t storage, const std::string& where) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> steps;  // stride, size
  for (std::size_t d = 0; d < view.shape.size(); ++d) {
    if (view.shape[d] > 1) steps.emplace_back(view.strides[d], view.shape[d]);
  }
  std::sort(steps.begin(), steps.end());
  std::uint64_t extent = 1;  // elements from the first to the last
  for (const auto& [stride, size] : steps) {
    if (stride < extent) throw Error(where, "is a view whose elements overlap", "save tensor.contiguous()");
    extent = checked_add(extent, checked_mul<std::uint64_t>(stride, size - 1, where), where);
  }
  const std::uint64_t needed = view.count == 0 ? view.offset : checked_add(view.offset, extent, where);
  if (needed > storage) {
    throw Error(where, fmt::format("reaches to element {} of a storage of {}", needed, storage));
  }
}

class Flattener {
 public:
  Flattener(PickledTensors tensors, const std::string& where, Checkpoint& checkpoint)
      : tensors_(std::move(tensors)), where_(where), checkpoint_(checkpoint) {}

  void walk(const PickleValue& value, const std::string& name, std::size_t depth) {
    if (depth > kMaxDepth) throw Error(where_, fmt::format("is nested deeper than {} levels", kMaxDepth));
    if (++nodes_ > kMaxNodes) throw Error(where_, "refers to its own parts again and again");
    switch (value.kind) {
      case Kind::dict:
        walk_dict(value, name, depth);
        return;
      case Kind::list:
      case Kind::tuple:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          // Lists of plain numbers are settings of optimisers, of which there can be many.
          const Kind kind = value.items[i]->kind;
          const bool plain = kind == Kind::integer || kind == Kind::real || kind == Kind::boolean || kind == Kind::text;
          if (!plain) walk(*value.items[i], joined(name, fmt::format("{}", i)), depth + 1);
        }
        return;
      case Kind::object:
        walk_object(value, name, depth);
        return;
      case Kind::boolean:
        note(name, value.integer != 0);
        return;
      case Kind::integer:
        note(name, value.integer);
        return;
      case Kind::real:
        note(name, value.real);
        return;
      case Kind::text:
        if (value.text.size() <= kMaxName && is_utf8(value.text)) note(name, std::string(value.text));
        return;
      case Kind::none:
      case Kind::big_integer:
      case Kind::bytes:
      case Kind::global:
        return;
      case Kind::persistent:
        return;  // a bare storage
    }
  }

 private:
  std::string joined(const std::string& prefix, std::string_view name) const {
    if (prefix.size() + name.size() > kMaxName || !is_utf8(name)) {
      throw Error(where_,
                  fmt::format("has a name that is not UTF-8 or longer than {} bytes under \"{}\"", kMaxName, prefix));
    }
    return prefix.empty() ? std::string(name) : fmt::format("{}.{}", prefix, name);
  }

  void walk_dict(const PickleValue& dict, const std::string& name, std::size_t depth) {
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
      const PickleValue& key = *dict.items[i];
      if (key.kind == Kind::text)
        walk(*dict.items[i + 1], joined(name, key.text), depth + 1);
      else if (key.kind == Kind::integer)
        walk(*dict.items[i + 1], joined(name, fmt::format("{}", key.integer)), depth + 1);
    }
  }

  void walk_object(const PickleValue& object, const std::string& name, std::size_t depth) {
    if (is_tensor(object)) {
      count_leaf();
      if (!checkpoint_.tensors.emplace(name, rebuild(object, where_ + ": " + name, 0)).second) {
        throw Error(where_, fmt::format("holds \"{}\" twice", name));
      }
    } else if (object.state != nullptr && object.text.starts_with("__torch__.")) {
      walk(*object.state, name, depth + 1);
    }
  }

  static bool is_tensor(const PickleValue& object) {
    return object.text == kRebuildTensor2 || object.text == kRebuildParameter || object.text == kRebuildTensor3 ||
           object.text == kRebuildTensor || object.text == kRebuildParameterState || object.text == kRebuildFromType;
  }

  Tensor rebuild(const PickleValue& object, const std::string& where, std::size_t depth) {
    const auto& arguments = object.items;
    const auto argument = [&](std::size_t i) -> const PickleValue& {
      if (i >= arguments.size()) throw Error(where, "is a damaged tensor");
      return *arguments[i];
    };
    if (object.text == kRebuildParameter || object.text == kRebuildParameterState) {
      const PickleValue& inner = argument(0);
      if (inner.kind != Kind::object || !is_tensor(inner) || depth > 4) throw Error(where, "is a damaged tensor");
      return rebuild(inner, where, depth + 1);
    }
    if (object.text == kRebuildFromType) {  // (function, type, arguments, state)
      PickleValue inner;
      inner.kind = Kind::object;
      inner.text = argument(0).text;
      inner.items = argument(2).items;
      if (!is_tensor(inner) || depth > 4) throw Error(where, "is a damaged tensor");
      return rebuild(inner, where, depth + 1);
    }
    std::optional<DType> dtype;
    if (object.text == kRebuildTensor3) dtype = find_type(kTypes, argument(6).text);
    View view{naturals(argument(2), where), naturals(argument(3), where), natural(argument(1), where), 0};
    view.count = element_count(view.shape);
    if (view.strides.size() != view.shape.size()) throw Error(where, "has a shape and strides of different length");
    return view_of(argument(0), dtype, view, where);
  }

  Tensor view_of(const PickleValue& storage, std::optional<DType> dtype, const View& view, const std::string& where) {
    const StorageReference reference = storage_reference(storage, where);
    if (!dtype) dtype = reference.dtype;
    if (!dtype) throw Error(where, "does not say its type");
    const std::size_t size = size_of(*dtype);
    const std::uint64_t bytes =
        checked_mul<std::uint64_t>(reference.count, reference.dtype ? size_of(*reference.dtype) : 1, where);
    require_inside(view, bytes / size, where);
    const auto content = tensors_.storages(reference);
    if (view.is_row_major()) {
      return foreign_tensor(*dtype, view.shape, content.subspan(view.offset * size, view.count * size),
                            tensors_.keep_alive, where);
    }
    const std::uint64_t copied = view.count * size;
    if (copied > tensors_.copy_budget) throw Error(where, "views its storages in too many orders at once");
    tensors_.copy_budget -= copied;
    Tensor tensor = contiguous_copy(*dtype, view.shape, view.strides, content.subspan(view.offset * size));
    require_booleans(tensor, where);
    return tensor;
  }

  template <class Value>
  void note(const std::string& name, Value value) {
    // Script modules repeat their flags hundreds of times.
    if (name.empty() || name.ends_with("training")) return;
    count_leaf();
    checkpoint_.metadata[name] = std::move(value);
  }
  void count_leaf() {
    if (++leaves_ > kMaxLeaves) throw Error(where_, fmt::format("holds more than {} tensors and values", kMaxLeaves));
  }

  PickledTensors tensors_;
  const std::string& where_;
  Checkpoint& checkpoint_;
  std::size_t nodes_ = 0, leaves_ = 0;
};

}  // namespace

bool is_pytorch_global(std::string_view name, bool script) {
  constexpr std::string_view kRebuild[] = {kRebuildTensor,           kRebuildTensor2,        kRebuildTensor3,
                                           kRebuildParameter,        kRebuildParameterState, kRebuildFromType,
                                           "collections.OrderedDict"};
  return contains(kRebuild, name) || contains(kInert, name) || contains(kUntyped, name) ||
         find_type(kStorages, name).has_value() || find_type(kTypes, name).has_value() ||
         (script && name.starts_with("__torch__."));
}

StorageReference storage_reference(const PickleValue& persistent, const std::string& where) {
  // ("storage", type, key, location, count); before PyTorch 1.6 a sixth entry tells of views, never used by weights.
  const bool tuple = persistent.kind == Kind::persistent && persistent.items.size() == 1 &&
                     persistent.items[0]->kind == Kind::tuple && persistent.items[0]->items.size() >= 5;
  if (!tuple) throw Error(where, "names its storage in an unknown way");
  const auto& parts = persistent.items[0]->items;
  const bool known = parts[0]->text == "storage" && parts[1]->kind == Kind::global && parts[2]->kind == Kind::text &&
                     parts[3]->kind == Kind::text && parts[4]->kind == Kind::integer && parts[4]->integer >= 0 &&
                     (parts.size() == 5 || (parts.size() == 6 && parts[5]->kind == Kind::none));
  if (!known) throw Error(where, "names its storage in an unknown way");
  StorageReference reference{parts[2]->text, find_type(kStorages, parts[1]->text),
                             static_cast<std::uint64_t>(parts[4]->integer)};
  if (!reference.dtype && !contains(kUntyped, parts[1]->text)) {
    throw Error(where, fmt::format("is stored as \"{}\", which is not a storage", parts[1]->text));
  }
  return reference;
}

void flatten(const PickleValue& root, PickledTensors tensors, const std::string& where, Checkpoint& checkpoint) {
  Flattener(std::move(tensors), where, checkpoint).walk(root, "", 0);
}

}  // namespace mt
