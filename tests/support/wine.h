// scikit-learn's wine data with what scikit-learn and PyTorch make of it: tests/golden/heads.json.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt::test {

struct Wine {
  nlohmann::json golden;
  Tensor train, test;  // [89, 13], even and odd rows, raw
  std::vector<std::int32_t> train_labels, test_labels;

  Wine() {
    std::ifstream file(std::string(MT_TESTS_DIR) + "/golden/heads.json");
    golden = nlohmann::json::parse(file);
    const auto values = golden.at("features").get<std::vector<float>>();
    const auto labels = golden.at("labels").get<std::vector<std::int32_t>>();
    const auto width = golden.at("width").get<std::size_t>();
    std::vector<float> even, odd;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      auto& rows = i % 2 == 0 ? even : odd;
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(i * width);
      rows.insert(rows.end(), begin, begin + static_cast<std::ptrdiff_t>(width));
      (i % 2 == 0 ? train_labels : test_labels).push_back(labels[i]);
    }
    train = Tensor::of<float>({train_labels.size(), width}, std::span<const float>(even));
    test = Tensor::of<float>({test_labels.size(), width}, std::span<const float>(odd));
  }
};

}  // namespace mt::test
