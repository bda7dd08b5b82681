// tests/golden/checkpoints: files that the real libraries saved, and what they said is in them.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/files.h"
#include "base/json.h"
#include "base/tensor.h"

namespace mt::test {

inline std::filesystem::path checkpoint_golden(const std::string& name) {
  return std::filesystem::path(MT_TESTS_DIR) / "golden" / "checkpoints" / name;
}

inline nlohmann::json checkpoint_expectations() {
  const auto path = checkpoint_golden("expected.json");
  return parse_json(read_text_file(path, 1 << 20), path.string());
}

// As tests/reference/make_checkpoints.py describes a tensor: [type, shape, first 16 digits of SHA-256].
inline nlohmann::json described(const Tensor& tensor) {
  return {name_of(tensor.dtype()), tensor.shape(), hex(sha256(tensor.bytes())).substr(0, 16)};
}

}  // namespace mt::test
