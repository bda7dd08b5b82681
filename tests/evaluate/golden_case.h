// The arrays of tests/reference/make_metric_goldens.py, made again from integers, and what the reference says of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt::test {

struct GoldenCase {
  std::string name;
  std::vector<std::int32_t> labels;
  Tensor scores;  // [samples, classes]
  std::size_t classes = 0;
  nlohmann::json expected;
};

inline GoldenCase golden_case(const nlohmann::json& entry) {
  GoldenCase golden{entry["name"], {}, {}, entry["classes"], entry["expected"]};
  const auto samples = entry["samples"].get<std::size_t>();
  const auto levels = entry["levels"].get<std::uint64_t>(), bonus = entry["bonus"].get<std::uint64_t>();
  const auto empty = entry["empty"].get<std::vector<std::size_t>>(),
             never = entry["never"].get<std::vector<std::size_t>>();
  const auto holds = [](const std::vector<std::size_t>& list, std::size_t c) {
    return std::find(list.begin(), list.end(), c) != list.end();
  };
  std::vector<std::size_t> present;
  for (std::size_t c = 0; c < golden.classes; ++c) {
    if (!holds(empty, c)) present.push_back(c);
  }
  auto state = entry["seed"].get<std::uint32_t>();
  const auto draw = [&state] {
    state = state * 1664525U + 1013904223U;
    return static_cast<std::uint64_t>(state >> 16);
  };
  golden.scores = Tensor(DType::f32, {samples, golden.classes});
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t label = present[draw() % present.size()];
    golden.labels.push_back(static_cast<std::int32_t>(label));
    std::vector<std::uint64_t> raw(golden.classes);
    for (std::uint64_t& value : raw) value = draw() * 65537 % levels;
    raw[label] += bonus;
    for (const std::size_t c : never) raw[c] = 0;
    if (std::accumulate(raw.begin(), raw.end(), std::uint64_t{0}) == 0) raw[present[0]] = 1;
    const auto sum = static_cast<double>(std::accumulate(raw.begin(), raw.end(), std::uint64_t{0}));
    for (std::size_t c = 0; c < golden.classes; ++c) {
      golden.scores.row<float>(i)[c] = static_cast<float>(static_cast<double>(raw[c]) / sum);
    }
  }
  return golden;
}

inline std::vector<GoldenCase> golden_cases() {
  std::ifstream file(std::string(MT_TESTS_DIR) + "/golden/metrics.json");
  std::vector<GoldenCase> cases;
  const nlohmann::json all = nlohmann::json::parse(file);
  for (const auto& entry : all["cases"]) cases.push_back(golden_case(entry));
  return cases;
}

}  // namespace mt::test
