// mt-encode as a user runs it: files in, files out.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "encoder/encoder.h"
#include "encoder/random_model.h"
#include "sections.h"
#include "store/model_file.h"
#include "token_files.h"

namespace mt::bench {

namespace {

struct Run {
  double seconds = 0, encoding = 0;  // of the whole program; from the first sample to the last
  double peak_mb = 0;
};

Run run_encode(const std::string& programs, const std::filesystem::path& folder, std::vector<std::string> arguments) {
  const std::string program = programs + "/mt-encode", json = folder / "report.json";
  arguments.insert(arguments.begin(), program);
  arguments.insert(arguments.end(), {"-o", folder / "features.h5", "--force", "--json", "--quiet", "--profile"});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    const int out = open(json.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int nowhere = open("/dev/null", O_WRONLY);
    if (out >= 0 && dup2(out, 1) == 1 && dup2(nowhere, 2) == 2) execv(program.c_str(), argv.data());
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child || status != 0) {
    throw Error(program, fmt::format("it ended with status {}", status), "say where it is: --programs FOLDER");
  }
  Run run;
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.peak_mb = static_cast<double>(usage.ru_maxrss) / 1024;
  run.encoding = nlohmann::json::parse(std::ifstream(json)).at("profile").at("seconds");
  return run;
}

void b16(const Settings& settings, const std::string& programs, const TemporaryFolder& folder, Table& table) {
  const std::string section = "mt-encode B16, 32 samples of 197 tokens", model = folder.path / "b16.h5",
                    tokens = folder.path / "b16.tokens.h5", one = folder.path / "one.tokens.h5";
  write_model_file(model, random_model("b16", 1), "mt-bench", true);
  write_tokens(tokens, token_schema(768), token_batch(32, 197, 768), 1);
  write_tokens(one, token_schema(768), token_batch(1, 197, 768), 1);
  const double parameters = 85e6;
  for (const Precision precision : settings.precisions) {
    const std::string dtype(name_of(precision)), threads = std::to_string(settings.threads.back());
    const double weights = parameters * (precision == Precision::f32 ? 4 : precision == Precision::bf16 ? 2 : 1) * 1e-6;
    const Run run =
        run_encode(programs, folder.path, {tokens, "--model", model, "--dtype", dtype, "--threads", threads});
    table.add({section, dtype + " rate", settings.threads.back(), 32 / run.encoding, "samples/s", {}, {}, ""});
    table.add({section,
               dtype + " peak memory",
               settings.threads.back(),
               run.peak_mb,
               "MB",
               weights + 100,
               {},
               "weights + 100 MB"});
    const Run start =
        run_encode(programs, folder.path, {one, "--model", model, "--dtype", dtype, "--threads", threads});
    table.add({section,
               dtype + " whole run of one sample",
               settings.threads.back(),
               start.seconds,
               "s",
               {},
               {},
               "load, pack, encode, write"});
  }
}

void many(const Settings& settings, const std::string& programs, const TemporaryFolder& folder, Table& table) {
  const std::string section = "mt-encode tiny, many samples of 17 tokens",
                    threads = std::to_string(settings.threads.back());
  const Batch batch = token_batch(1000, 17, 192);
  double rate = 0, memory = 0;
  for (const std::size_t thousands : {1, 100}) {
    const std::string tokens = folder.path / fmt::format("{}k.tokens.h5", thousands);
    write_tokens(tokens, token_schema(192), batch, thousands);
    const Run run = run_encode(programs, folder.path, {tokens, "--model", "random:tiny", "--threads", threads});
    const double now = static_cast<double>(thousands) * 1000 / run.encoding;
    table.add({section,
               fmt::format("{},000 samples, rate", thousands),
               settings.threads.back(),
               now,
               "samples/s",
               rate > 0 ? std::optional(rate) : std::nullopt,
               {},
               ""});
    table.add({section,
               fmt::format("{},000 samples, peak memory", thousands),
               settings.threads.back(),
               run.peak_mb,
               "MB",
               memory > 0 ? std::optional(memory) : std::nullopt,
               {},
               ""});
    rate = now;
    memory = run.peak_mb;
    std::filesystem::remove(tokens);
  }
}

}  // namespace

void measure_programs(const Settings& settings, const std::string& programs, Table& table) {
  const TemporaryFolder folder;
  b16(settings, programs, folder, table);
  many(settings, programs, folder, table);
}

}  // namespace mt::bench
