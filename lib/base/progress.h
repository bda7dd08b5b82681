// What a long computation tells whoever watches. The library never prints.
#pragma once

#include <cstdint>
#include <string_view>

namespace mt {

// Called from one thread at a time, at most once a batch. The base class ignores everything.
class Progress {
 public:
  virtual ~Progress() = default;
  virtual void total(std::int64_t /*samples*/) {}  // -1: unknown
  virtual void advance(std::int64_t /*samples*/, std::int64_t /*rejected*/ = 0) {}
  virtual void note(std::string_view /*message*/) {}  // a line for people: a choice made, a default taken
  virtual void warn(std::string_view /*message*/) {}  // a line that is shown even with --quiet
};

}  // namespace mt
