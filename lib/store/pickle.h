// Python pickles as data: a small stack machine that builds values of its own and never calls, imports or evaluates
// anything. What a pickle wants to call is recorded by name, and refused unless the reader expects that name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_reader.h"

namespace mt {

struct PickleValue {
  enum class Kind : std::uint8_t {
    none,
    boolean,  // integer is 0 or 1
    integer,
    big_integer,  // text: little-endian two's complement of more than 8 bytes
    real,
    text,  // bytes of a str; not necessarily UTF-8
    bytes,
    list,        // items
    tuple,       // items
    dict,        // items: key, value, key, value ... in order; collections.OrderedDict too
    global,      // text: "module.name"
    object,      // the result of a call that was not made: text names the callee, items its arguments, state its state
    persistent,  // items: the one value by which the outside is named
  };
  Kind kind = Kind::none;
  std::int64_t integer = 0;
  double real = 0;
  std::string_view text;
  std::vector<const PickleValue*> items;
  const PickleValue* state = nullptr;
};

class Pickle {
 public:
  using Allowed = std::function<bool(std::string_view global)>;

  // Reads one pickle (protocols 2 to 5) and leaves the reader behind it. Texts point into the reader's bytes. Throws
  // Error: a global that is not allowed, by name; instructions that data do not need; damage; more than a few million
  // steps.
  Pickle(ByteReader& reader, const Allowed& allowed);
  Pickle(const Pickle&) = delete;
  Pickle& operator=(const Pickle&) = delete;

  const PickleValue& root() const { return *root_; }

 private:
  friend class PickleMachine;
  // Values own no values, so nesting of any depth and cycles are freed without recursion.
  std::deque<PickleValue> values_;
  std::deque<std::string> names_;  // of globals
  const PickleValue* root_ = nullptr;
};

}  // namespace mt
