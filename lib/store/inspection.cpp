#include "store/inspection.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "store/checkpoint.h"
#include "store/frames.h"
#include "store/hdf5.h"
#include "store/inspect_samples.h"
#include "store/model_file.h"
#include "store/npz.h"
#include "store/pytorch.h"
#include "store/statistics.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

struct Tensors {
  Inspection list = Inspection::array();
  std::uint64_t parameters = 0;
};

Tensors describe_tensors(const std::map<std::string, Tensor>& tensors, const InspectOptions& options,
                         Progress& progress) {
  Tensors described;
  for (const auto& [name, tensor] : tensors) {
    throw_if_interrupted();
    Inspection one = {{"name", name}, {"shape", tensor.shape()}, {"dtype", name_of(tensor.dtype())}};
    if (options.statistics) {
      ValueStatistics statistics;
      statistics.add(tensor);
      one["statistics"] = statistics_json(statistics);
    }
    described.list.push_back(std::move(one));
    described.parameters += tensor.size();
    progress.advance(1);
  }
  return described;
}

Inspection inspect_model(const fs::path& path, const InspectOptions& options, Progress& progress) {
  if (options.verify) verify_model_file(path);
  const Model model = read_model_file(path);
  std::uint64_t parameters = 0;
  Inspection parts = Inspection::array();
  for (const auto& [name, part] : model.parts) {
    Tensors tensors = describe_tensors(part.tensors, options, progress);
    parts.push_back({{"name", name},
                     {"digest", hex(digest_of(part))},
                     {"config", part.config},
                     {"parameters", tensors.parameters},
                     {"tensors", std::move(tensors.list)}});
    parameters += tensors.parameters;
  }
  Inspection out = {{"file", path.string()}, {"kind", "model"}, {"container", "hdf5"}, {"bytes", fs::file_size(path)}};
  out["parameters"] = parameters;
  out["parts"] = std::move(parts);
  out["metadata"] = model.provenance;
  if (options.verify) out["verified"] = true;
  return out;
}

Inspection checkpoint_json(const fs::path& path, const std::string& container, Tensors tensors,
                           const nlohmann::json& metadata, const InspectOptions& options) {
  Inspection out = {{"file", path.string()}, {"kind", "checkpoint"}, {"container", container}};
  out["bytes"] = fs::file_size(path);
  out["parameters"] = tensors.parameters;
  out["parts"] = Inspection::array();
  out["parts"].push_back({{"name", ""}, {"parameters", tensors.parameters}, {"tensors", std::move(tensors.list)}});
  out["metadata"] = metadata;
  if (options.verify) out["verified"] = true;
  return out;
}

Inspection inspect_checkpoint(const fs::path& path, const InspectOptions& options, Progress& progress) {
  const Checkpoint checkpoint = read_checkpoint(path);
  return checkpoint_json(path, checkpoint.container, describe_tensors(checkpoint.tensors, options, progress),
                         checkpoint.metadata, options);
}

// Arrays of text are no tensors, so that an archive that holds them is no checkpoint; it is described all the same.
std::optional<Inspection> inspect_npz(const fs::path& path, const InspectOptions& options, Progress& progress) {
  const auto file = MappedFile::open(path);
  const ZipArchive archive(file->bytes(), path.string());
  const bool arrays = std::any_of(archive.entries().begin(), archive.entries().end(),
                                  [](const ZipEntry& entry) { return entry.name.ends_with(".npy"); });
  if (!arrays || pytorch_pickle_of(archive) != nullptr) return std::nullopt;
  const Npz npz(file, path.string());
  std::map<std::string, Tensor> tensors;
  Inspection texts = Inspection::array();
  for (const std::string& name : npz.names()) {
    const NpyHeader header = npz.header(name);
    if (header.is_text()) {
      texts.push_back({{"name", name}, {"shape", header.shape}, {"dtype", "text"}});
    } else {
      tensors.emplace(name, npz.read(name));
    }
  }
  Tensors described = describe_tensors(tensors, options, progress);
  described.list.insert(described.list.end(), texts.begin(), texts.end());
  return checkpoint_json(path, "npz", std::move(described), nlohmann::json::object(), options);
}

// The first bytes, to see what it is; empty for what is not a regular file.
std::vector<std::byte> first_bytes(const fs::path& path) {
  if (!fs::is_regular_file(path)) return {};
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) throw system_error(path.string(), "open", errno);
  std::vector<std::byte> bytes(8);
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file.get()));
  return bytes;
}

}  // namespace

Inspection inspect(const std::string& name, const InspectOptions& options, Progress& progress) {
  if (name == "-") return inspect_sample_stream(name, options, progress);
  std::error_code error;
  const fs::file_status status = fs::status(name, error);
  if (!fs::exists(status)) throw system_error(name, "open", error ? error.value() : ENOENT);
  if (fs::is_directory(status)) throw Error(name, "is a directory, not a file");
  const std::vector<std::byte> start = first_bytes(name);
  if (!fs::is_regular_file(status) || begins_a_frame(start)) return inspect_sample_stream(name, options, progress);
  if (start.empty()) throw Error(name, "is empty");
  if (start[0] == std::byte{'P'} && start.size() > 1 && start[1] == std::byte{'K'}) {
    if (auto arrays = inspect_npz(name, options, progress)) return *arrays;
  }
  if (!h5::has_hdf5_signature(start)) return inspect_checkpoint(name, options, progress);
  if (is_model_file(name)) return inspect_model(name, options, progress);
  return inspect_sample_file(name, options, progress);
}

}  // namespace mt
