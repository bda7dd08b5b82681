// mt-bench: what the machine can do, and how much of it the kernels, the encoder and the programs reach, in one run.
#include <filesystem>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "base/build_info.h"
#include "base/error.h"
#include "cli/run.h"
#include "encoder/encoder.h"
#include "limits.h"
#include "sections.h"

using namespace mt;
using namespace mt::bench;

namespace {

struct Options {
  Settings settings;
  std::vector<std::string> dtypes = {"f32", "bf16", "int8"}, sections = {"limits", "layers", "encoder", "training",
                                                                         "errors", "data",   "cards",   "programs"};
  bool cpu_time = false;
  std::string json, programs;
};

std::string processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

cli::Outcome run(Options o) {
  Settings& settings = o.settings;
  if (o.cpu_time) settings.clock = Clock::cpu;
  if (o.cpu_time && settings.threads != std::vector<std::size_t>{1}) {
    throw UsageError("--cpu-time", "it is the time of one thread", "add --threads 1");
  }
  for (const std::string& dtype : o.dtypes) {
    if (has(kernels(), precision_named(dtype))) settings.precisions.push_back(precision_named(dtype));
  }
  const double busy = busy_part();
  fmt::print("{}, {} cores, kernels {}, {}\n", processor(), available_cores(), name_of(machine_isa()),
             o.cpu_time ? "time of the thread" : "time of the wall");
  if (busy > 0.1)
    fmt::print("warning: others keep {:.0f} % of the machine busy, these are not its limits\n", busy * 100);
  const auto wanted = [&](const char* section) { return std::ranges::find(o.sections, section) != o.sections.end(); };
  Table table;
  if (wanted("limits")) measure_limits(settings, table);
  if (wanted("layers")) measure_layers(settings, table);
  if (wanted("encoder")) measure_encoder(settings, table);
  if (wanted("training")) measure_training(settings, table);
  if (wanted("errors")) measure_errors(settings, table);
  if (wanted("data")) measure_data(settings, table);
  if (wanted("cards")) measure_cards(settings, table);
  if (wanted("programs")) measure_programs(settings, o.programs, table);
  if (!o.json.empty()) {
    std::ofstream out(o.json);
    out << nlohmann::json{{"processor", processor()},
                          {"cores", available_cores()},
                          {"kernels", name_of(machine_isa())},
                          {"busy_before", busy},
                          {"rows", table.json()}}
               .dump(1)
        << '\n';
    if (!out.flush()) throw Error(o.json, "it cannot be written");
  }
  return cli::Outcome::done;
}

}  // namespace

int main(int argc, char** argv) {
  const cli::About about{"mt-bench",
                         "[options] [PICTURE...]",
                         "Measure the machine's limits and what part of them is reached.",
                         {"mt-bench --json bench.json photos/*.jpg", "mt-bench --only layers --threads 1 --cpu-time"},
                         {"mt-encode(1)", "mt-tokenize(1)"}};
  return cli::run(about, argc, argv, [argv](CLI::App& app) -> cli::Action {
    auto o = std::make_shared<Options>();
    o->programs = std::filesystem::path(argv[0]).parent_path();
    app.add_option("PICTURE", o->settings.pictures, "Picture files to decode and tokenize");
    app.add_option("--only", o->sections, "Parts: limits, layers, encoder, training, errors, data, cards, programs")
        ->check(CLI::IsMember({"limits", "layers", "encoder", "training", "errors", "data", "cards", "programs"}))
        ->delimiter(',');
    app.add_option("--size", o->settings.sizes, "Encoders: b16, l14")
        ->check(CLI::IsMember({"b16", "l14"}))
        ->delimiter(',');
    app.add_option("--dtype", o->dtypes, "Precisions: f32, bf16, int8")
        ->check(CLI::IsMember({"f32", "bf16", "int8"}))
        ->delimiter(',');
    app.add_option("--threads", o->settings.threads, "Numbers of threads to measure with")
        ->check(CLI::Range(std::size_t{1}, std::size_t{4096}))
        ->delimiter(',');
    app.add_option("--seconds", o->settings.seconds, "Least time of one measurement");
    app.add_flag("--cpu-time", o->cpu_time, "Count the thread's own time: for a machine that is not idle");
    app.add_option("--programs", o->programs, "Folder of mt-encode");
    app.add_option("--json", o->json, "Write the table there too");
    return [o] { return run(*o); };
  });
}
