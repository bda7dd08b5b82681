// The state of an unfinished run, beside its output as OUTPUT.part: enough to end in the same bytes after a kill.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt {

struct TrainingState {
  nlohmann::json progress = nlohmann::json::object();
  std::map<std::string, Tensor> tensors;
};

class StateFile {
 public:
  StateFile() = default;  // keeps nothing
  // run: digest of everything that decides the result; a state of another run is refused. interval_s: seconds between
  // saves; 0 saves whenever asked.
  StateFile(std::filesystem::path path, std::string run, double interval_s);

  const std::filesystem::path& path() const { return path_; }
  // The saved state, owned; nullopt when there is none. Throws Error: it belongs to another run, it is damaged.
  std::optional<TrainingState> load() const;
  bool due() const;                       // time to save, or asked to stop
  void save(const TrainingState& state);  // whole or not at all
  void remove();                          // the run is done

 private:
  std::filesystem::path path_;
  std::string run_;
  double interval_s_ = 0;
  std::chrono::steady_clock::time_point saved_ = std::chrono::steady_clock::now();
};

}  // namespace mt
