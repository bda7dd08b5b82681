// Files of random tokens, for what reads them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "store/batch.h"
#include "store/schema.h"

namespace mt::bench {

struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
};

Schema token_schema(std::size_t width);
// Samples of `length` tokens each, the first of them a class token.
Batch token_batch(std::size_t samples, std::size_t length, std::size_t width);
// `times` copies of the batch, each with ids of its own.
void write_tokens(const std::string& name, const Schema& schema, Batch batch, std::size_t times);

}  // namespace mt::bench
