#include "token_files.h"

#include <cstdlib>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "store/sample_writer.h"

namespace mt::bench {

TemporaryFolder::TemporaryFolder() {
  std::string name = std::filesystem::temp_directory_path() / "mt-bench-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw Error(name, "the folder cannot be made", "set TMPDIR");
  path = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

Schema token_schema(std::size_t width) {
  Schema schema;
  schema.kind = Kind::tokens;
  schema.modality = "image";
  schema.creator = "mt-bench";
  schema.width = width;
  schema.prefix = 1;
  return schema;
}

Batch token_batch(std::size_t samples, std::size_t length, std::size_t width) {
  Batch batch;
  batch.ids.resize(samples);
  batch.index.resize(samples);
  batch.rows = Tensor(DType::f32, {samples * length, width});
  Random(1, 4).fill_normal(batch.rows.as<float>(), 0, 1);
  for (std::size_t i = 0; i <= samples; ++i) batch.offsets.push_back(static_cast<std::int64_t>(i * length));
  return batch;
}

void write_tokens(const std::string& name, const Schema& schema, Batch batch, std::size_t times) {
  WriteOptions options;
  options.force = true;
  const auto writer = SampleWriter::create(name, schema, options);
  for (std::size_t copy = 0; copy < times; ++copy) {
    for (std::size_t i = 0; i < batch.samples(); ++i) {
      batch.index[i] = static_cast<std::int64_t>(copy * batch.samples() + i);
      batch.ids[i] = fmt::format("{:08}", batch.index[i]);
    }
    writer->write(batch);
  }
  writer->finish({});
}

}  // namespace mt::bench
