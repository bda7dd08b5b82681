#include "train/state_file.h"

#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/version.h"
#include "store/model_file.h"

namespace mt {

namespace {
constexpr const char* kPart = "training";
}

StateFile::StateFile(std::filesystem::path path, std::string run, double interval_s)
    : path_(std::move(path)), run_(std::move(run)), interval_s_(interval_s) {}

std::optional<TrainingState> StateFile::load() const {
  if (path_.empty() || !std::filesystem::exists(path_)) return std::nullopt;
  verify_model_file(path_);
  const Model model = read_model_file(path_);
  if (!model.has(kPart))
    throw Error(path_.string(), "is not an unfinished training", "remove it, or use another output");
  const Part& part = model.part(kPart);
  if (part.config.value("run", "") != run_) {
    throw Error(path_.string(), "belongs to a run with other settings or other samples",
                "repeat that run's command to resume it, or start over with --force");
  }
  TrainingState state;
  state.progress = part.config.at("progress");
  // Copies: the file is replaced by the next save.
  for (const auto& [name, tensor] : part.tensors) state.tensors.emplace(name, tensor.rows_copy(0, tensor.rows()));
  return state;
}

bool StateFile::due() const {
  if (path_.empty()) return false;
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - saved_;
  return elapsed.count() >= interval_s_ || requested_interrupt() != 0;
}

void StateFile::save(const TrainingState& state) {
  if (path_.empty()) return;
  Model model;
  Part& part = model.parts[kPart];
  part.config = {{"run", run_}, {"progress", state.progress}};
  part.tensors = state.tensors;
  write_model_file(path_, model, std::string("mt-train-head ") + kVersion, true);
  saved_ = std::chrono::steady_clock::now();
}

void StateFile::remove() {
  if (path_.empty()) return;
  std::error_code ignored;  // the head is whole; a state that stays is noticed by the next run
  std::filesystem::remove(path_, ignored);
}

}  // namespace mt
