// Values and tensors of a head's part, which is a claim of some file.
#pragma once

#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/tensor.h"
#include "store/model.h"

namespace mt {

// Throws Error when the value is missing or of another type.
template <class T>
T config_value(const nlohmann::json& config, const char* name) {
  try {
    return config.at(name).get<T>();
  } catch (const nlohmann::json::exception&) {
    throw Error("head", fmt::format("\"{}\" is missing in its configuration, or of another type", name),
                "train it again with mt-train-head");
  }
}

// Throws Error when it is missing.
inline const Tensor& head_tensor(const Part& part, const std::string& name) {
  const auto found = part.tensors.find(name);
  if (found != part.tensors.end()) return found->second;
  throw Error("head", fmt::format("tensor {} is missing", name), "train it again with mt-train-head");
}

}  // namespace mt
