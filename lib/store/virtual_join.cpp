// write_virtual_join of join.h.
#include <algorithm>
#include <filesystem>
#include <limits>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "store/file_writer.h"
#include "store/hdf5.h"
#include "store/join.h"
#include "store/schema_io.h"
#include "store/shard_order.h"
#include "store/shards.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBlock = 4096;          // samples read at once, without their features
constexpr std::size_t kMostMappings = 65536;  // HDF5 keeps them all in memory

// A shard's name as the virtual data set has it: relative to the output, with HDF5's pattern character doubled.
std::string source_name(const std::string& shard, const fs::path& output) {
  const fs::path directory = output.has_parent_path() ? output.parent_path() : fs::path(".");
  std::error_code error;
  const fs::path relative = fs::relative(fs::weakly_canonical(shard), fs::weakly_canonical(directory), error);
  if (error || relative.empty() || *relative.begin() == "..") {
    throw Error(shard, fmt::format("lies outside of {}, where the virtual file will be", directory.string()),
                "move it there, or join by copy");
  }
  std::string name;
  for (const char c : relative.string()) name += c == '%' ? "%%" : std::string(1, c);
  return name;
}

// Neighbouring samples of one shard that stand at equal distances in the union.
struct Run {
  std::uint64_t sample = 0, position = 0, count = 1, stride = 1;
};

std::vector<Run> runs_of(std::uint32_t shard, const std::vector<Placed>& order) {
  std::vector<Run> runs;
  for (std::uint64_t position = 0; position < order.size(); ++position) {
    if (order[position].shard != shard) continue;
    const std::uint64_t sample = order[position].position;
    if (!runs.empty()) {
      Run& run = runs.back();
      const std::uint64_t distance = position - (run.position + (run.count - 1) * run.stride);
      if (run.count == 1 || distance == run.stride) {
        run.stride = distance;
        ++run.count;
        continue;
      }
    }
    runs.push_back({sample, position, 1, 1});
  }
  return runs;
}

h5::Space selection(std::uint64_t rows, std::uint64_t width, std::uint64_t begin, std::uint64_t stride,
                    std::uint64_t count, std::string_view where) {
  const hsize_t extents[] = {rows, width}, start[] = {begin, 0}, step[] = {stride, 1}, counts[] = {count, 1},
                block[] = {1, width};
  h5::Space space(H5Screate_simple(2, extents, nullptr), where, "create it");
  h5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, step, counts, block), where, "create it");
  return space;
}

void write_virtual_features(const FileWriter& writer, const Shards& shards, const std::vector<Placed>& order,
                            const std::string& output) {
  const h5::Lock lock;
  const std::string where = output + ": /features";
  const Schema& schema = shards.schema();
  const h5::PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), where, "create it");
  h5::check(H5Pset_obj_track_times(creation.get(), false), where, "create it");
  // HDF5 puts this where a source is missing; readers of ours refuse before, others see that it is no number.
  const float missing = std::numeric_limits<float>::quiet_NaN();
  h5::check(H5Pset_fill_value(creation.get(), H5T_NATIVE_FLOAT, &missing), where, "create it");
  std::size_t mappings = 0;
  for (std::uint32_t i = 0; i < shards.size(); ++i) {
    const std::string source = source_name(shards.name(i), output);
    const std::uint64_t rows = static_cast<std::uint64_t>(*shards.reader(i).samples());
    for (const Run& run : runs_of(i, order)) {
      if (++mappings > kMostMappings) {
        throw Error(output, fmt::format("the shards interleave too irregularly for {} pieces", kMostMappings),
                    "join by copy");
      }
      const h5::Space to = selection(order.size(), schema.width, run.position, run.stride, run.count, where);
      const h5::Space from = selection(rows, schema.width, run.sample, 1, run.count, where);
      h5::check(H5Pset_virtual(creation.get(), to.get(), source.c_str(), "/features", from.get()), where, "create it");
    }
  }
  const hsize_t extents[] = {order.size(), schema.width};
  const h5::Space space(H5Screate_simple(2, extents, nullptr), where, "create it");
  h5::Dataset dataset(H5Dcreate2(writer.file(), "features", h5::type_of(schema.dtype).get(), space.get(), H5P_DEFAULT,
                                 creation.get(), H5P_DEFAULT),
                      where, "create it");
  write_row_attributes(dataset.get(), schema, where);
  dataset.close(where);
}

// Calls use with everything but the features, in the order of the union.
template <class Use>
void for_each_batch(const Shards& shards, const std::vector<const SampleFile*>& files, const std::vector<Placed>& order,
                    Use use) {
  struct Window {
    Batch batch;
    std::uint64_t begin = 0;
  };
  std::vector<Window> windows(files.size());
  Batch batch;
  for (const Placed& placed : order) {
    Window& window = windows[placed.shard];
    if (placed.position >= window.begin + window.batch.samples()) {
      const SampleFile& file = *files[placed.shard];
      window.begin = placed.position;
      window.batch =
          file.read(placed.position, std::min<std::uint64_t>(file.samples(), placed.position + kBlock), true);
      shards.map_labels(placed.shard, window.batch);
    }
    const std::size_t i = placed.position - window.begin;
    batch.append(window.batch, i, i + 1);
    if (batch.samples() < kBlock) continue;
    use(batch);
    batch = {};
  }
  use(batch);
}

// The rejected inputs that count, in the order of the union.
std::vector<Rejected> rejected_inputs(const std::vector<const SampleFile*>& files, const std::vector<Placed>& order) {
  std::vector<std::vector<Rejected>> lists;
  for (const SampleFile* file : files) lists.push_back(file->rejected(0, file->rejected_count()));
  std::vector<Rejected> all;
  for (const Placed& placed : order) all.push_back(std::move(lists[placed.shard][placed.position]));
  return all;
}

}  // namespace

void write_virtual_join(const std::vector<std::string>& names, const std::string& output, bool force,
                        JoinOptions options) {
  if (output.empty() || output == "-")
    throw UsageError("--virtual", "refers to the shards from a file of its own", "give -o a file name");
  std::error_code error;
  if (!force && fs::exists(output, error)) throw Error(output, "exists already", "--force replaces it");
  const Shards shards(names);
  const std::vector<const SampleFile*> files = shards.files();
  if (files.empty()) throw Error(output, "a virtual file needs shards that are files", "join by copy");
  const Schema& schema = shards.schema();
  if (schema.kind != Kind::features || schema.ragged) {
    throw Error(names[0], "only pooled features [N, D] can be joined virtually", "join by copy");
  }
  Order order;
  const SetDigest superseded = check_order(files, names, options.allow_missing, &order);
  if (order.samples.empty()) throw Error(output, "the shards hold no samples", "join by copy");
  Totals totals;
  for_each_batch(shards, files, order.samples, [&](const Batch& batch) { totals.add(batch); });
  Batch last;
  last.rejected = rejected_inputs(files, order.rejected);
  totals.add(last);
  StagedFile staged(output);
  FileWriter writer(staged.path(), output, schema, totals, 0, true);
  for_each_batch(shards, files, order.samples, [&](const Batch& batch) { writer.add(batch); });
  writer.add(last);
  write_virtual_features(writer, shards, order.samples, output);
  writer.finish(shards.inputs(superseded));
  staged.publish();
}

}  // namespace mt
