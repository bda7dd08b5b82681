// The tensors of a foreign checkpoint, taken out one by one: what is missing or misshapen is collected, what stays
// behind is known at the end.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

class TensorSource {
 public:
  TensorSource(std::map<std::string, Tensor> tensors, std::string prefix);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  const Tensor* find(std::string_view name) const;  // name without the prefix
  // The tensor as f32 in the wanted shape; dimensions of size 1 in front of it are dropped. A missing or misshapen one
  // is remembered, and comes back as nullopt.
  std::optional<Tensor> take(std::string_view name, const Shape& wanted);
  std::optional<Tensor> take_outside(const std::string& name, const Shape& wanted);  // the whole name
  std::map<std::string, Tensor>& rest() { return tensors_; }  // what was not taken, under whole names
  const std::map<std::string, Tensor>& rest() const { return tensors_; }
  const std::string& prefix() const { return prefix_; }

  // Throws Error(source, ...) when a tensor was missing or misshapen.
  void require_complete(const std::string& source) const;

 private:
  std::map<std::string, Tensor> tensors_;
  std::string prefix_;
  std::vector<std::string> missing_, misshapen_;
};

}  // namespace mt
