// Small JSON files that tests/reference/ makes.
#pragma once

#include <fstream>
#include <map>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace mt::test {

// Read once and kept, so that loops may run over a part of what is returned.
inline const nlohmann::json& golden(const std::string& name) {
  static std::map<std::string, nlohmann::json> all;
  const auto known = all.find(name);
  if (known != all.end()) return known->second;
  std::ifstream file(std::string(MT_TESTS_DIR) + "/golden/" + name + ".json");
  if (!file) throw std::runtime_error("no golden " + name);
  return all[name] = nlohmann::json::parse(file);
}

}  // namespace mt::test
