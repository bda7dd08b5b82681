// Class names from wherever they come, in one order that depends on nothing but the names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mt {

// Numbers sort by value, if all names are whole numbers; else all sort bytewise.
class ClassLabels {
 public:
  void add(std::string_view name);  // the next sample's class; "" when unknown
  void add_unknown() { samples_.push_back(-1); }
  void add_unknown(std::size_t samples) { samples_.insert(samples_.end(), samples, -1); }

  // After the last sample: brings names and samples into their final order.
  void finish();

  std::size_t size() const { return samples_.size(); }
  const std::vector<std::string>& names() const { return names_; }
  std::int32_t operator[](std::size_t i) const { return samples_[i]; }  // index into names(); -1 unknown

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::int32_t> index_;
  std::vector<std::int32_t> samples_;
};

}  // namespace mt
