// Any text gives an Error or rows as wide as the table, the same whether read in order or one by one, and a schema that
// takes its own rows.
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "base/error.h"
#include "decode/table_source.h"
#include "tokenize/tabular/table_fit.h"
#include "tokenize/tabular/tabular_samples.h"

namespace {

// A file in memory, of this process.
const std::string& fuzz_file() {
  static const std::string name = "/dev/shm/mt-fuzz-table-" + std::to_string(getpid()) + ".csv";
  return name;
}

void read(const mt::TableOptions& options, bool quantiles) {
  const mt::TableSource source(options);
  std::vector<std::string> fields;
  std::size_t i = 0;
  mt::TableRow row;
  source.for_each([&](const mt::TableRow* in_order) {
    bool whole = true;
    try {
      source.read(i, row);
    } catch (const mt::Error&) {
      whole = false;
    }
    if (whole != (in_order != nullptr) || (whole && row.size() != source.columns().size())) std::abort();
    for (std::size_t c = 0; whole && c < row.size(); ++c) {
      if (row[c] != (*in_order)[c]) std::abort();
    }
    ++i;
  });
  if (i != source.size()) std::abort();
  mt::TableFitting fitting;
  fitting.scale = quantiles ? mt::NumberScale::quantile : mt::NumberScale::standard;
  const mt::TableSchema fitted = mt::fit_table(source, fitting).schema;
  mt::Part part;
  fitted.store(part);
  const mt::TableSchema schema(part);
  const mt::TabularSamples samples(source, schema, {});
  mt::Batch batch = samples.empty_batch();
  for (std::size_t n = 0; n < source.size(); ++n) {
    try {
      samples.make(n, batch);
    } catch (const mt::Error&) {  // rejected
    }
  }
  for (std::size_t t = 0; t < batch.codes.rows(); ++t) {
    if (batch.codes.row<std::int32_t>(t)[0] >= static_cast<std::int32_t>(schema.entries())) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  std::ofstream(fuzz_file(), std::ios::binary)
      .write(reinterpret_cast<const char*>(data + 1), static_cast<std::streamsize>(size - 1));
  mt::TableOptions options;
  options.inputs = {fuzz_file()};
  options.header = (data[0] & 1) == 0;
  options.skip_lines = data[0] >> 6;
  options.max_bytes = (data[0] & 2) == 0 ? 64 : 4096;
  constexpr char kSeparators[] = {'\0', ',', '\t', ';'};
  options.separator = kSeparators[data[0] >> 2 & 3];
  try {
    read(options, (data[0] & 16) != 0);
  } catch (const mt::Error&) {  // refused
  }
  return 0;
}
