// Values and tensors of a head's part, which is a claim of some file.
#pragma once

#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/tensor.h"
#include "base/text.h"
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

// Whether the configuration has this word under the name; nothing there: no. Throws Error for any other word.
inline bool config_says(const nlohmann::json& config, const char* name, std::string_view word) {
  if (!config.contains(name)) return false;
  const auto found = config_value<std::string>(config, name);
  if (found == word) return true;
  throw Error("head", fmt::format("its {} \"{}\" is not known to this version", name, printable(found)),
              "use a newer version");
}

// Throws Error when it is missing.
inline const Tensor& head_tensor(const Part& part, const std::string& name) {
  const auto found = part.tensors.find(name);
  if (found != part.tensors.end()) return found->second;
  throw Error("head", fmt::format("tensor {} is missing", name), "train it again with mt-train-head");
}

}  // namespace mt
