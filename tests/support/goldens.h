// Small JSON files that tests/reference/ makes.
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace mt::test {

inline nlohmann::json golden(const std::string& name) {
  std::ifstream file(std::string(MT_TESTS_DIR) + "/golden/" + name + ".json");
  if (!file) throw std::runtime_error("no golden " + name);
  return nlohmann::json::parse(file);
}

}  // namespace mt::test
