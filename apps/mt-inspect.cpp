// Says what is in a file, whether it is whole, how it was made.
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/csv.h"
#include "base/error.h"
#include "cli/common_options.h"
#include "cli/progress_bar.h"
#include "cli/run.h"
#include "encoder/cuda/library.h"
#include "store/inspection.h"

using namespace mt;

namespace {

struct Options {
  std::vector<std::string> files;
  InspectOptions inspect;
  bool ids = false, check = false, devices = false;
  cli::CommonOptions common;
};

std::string json_text(const Inspection& inspection, int indent) {
  return inspection.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

void describe_file(const std::string& file, const Options& options, Progress& progress) {
  if (options.ids) return for_each_id(file, [](const std::string& id) { fmt::print("{}\n", csv_field(id)); });
  const Inspection inspection = inspect(file, options.inspect, progress);
  if (options.check) return;
  const bool one = options.files.size() == 1;
  if (options.common.json) {
    fmt::print("{}", json_text(inspection, one ? 2 : -1));
  } else {
    fmt::print("{}", one ? inspection_text(inspection) : inspection_line(inspection));
  }
}

cli::Outcome list_devices(const Options& options) {
  if (!options.files.empty() || options.ids || options.check || options.inspect.verify || options.inspect.statistics)
    throw UsageError("--devices", "is about this machine and takes no FILE", "leave out all but --json");
  fmt::print("{}", options.common.json ? json_text(cuda::devices(), 2) : cuda::devices_text());
  return cli::Outcome::done;
}

cli::Outcome inspect_all(Options options) {
  if (options.files.empty()) throw UsageError("FILE", "is required", "or --devices, for the devices of this machine");
  if (options.ids && (options.check || options.common.json))
    throw UsageError("--ids", "prints ids alone", "leave --check and --json out");
  if (options.check) options.inspect.verify = true;
  cli::ProgressBar progress("mt-inspect", "inspect", options.common);
  std::size_t bad = 0;
  for (const std::string& file : options.files) {
    try {
      describe_file(file, options, progress);
    } catch (const Error& error) {
      if (options.files.size() == 1 && !options.check) throw;
      ++bad;
      if (options.check)
        fmt::print("{}\n", error.what());
      else
        progress.warn(error.what());
    }
  }
  if (bad > 0) throw Error("", fmt::format("{} of {} files are bad", bad, options.files.size()), "see the lines above");
  if (options.check) progress.note(fmt::format("{} files are whole", options.files.size()));
  return cli::Outcome::done;
}

const cli::About kAbout = {
    "mt-inspect",
    "[options] FILE... | --devices",
    "Say what is in a file of ours or a foreign checkpoint, whether it is whole, and how it was made.",
    {"mt-inspect photos.features.h5", "mt-inspect --verify photos.features.h5", "mt-inspect --check *.h5",
     "mt-inspect --stats weights.pth", "mt-inspect --devices"},
    {"mt-cat(1)", "mt-convert(1)", "mt-format(5)"}};

cli::Action describe(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("FILE", options->files, "Files; \"-\" is standard input");
  app.add_flag("--verify", options->inspect.verify, "Read everything: checksums, offsets, labels, ids, digests")
      ->group("What");
  app.add_flag("--check", options->check, "Verify, and print only the files that are bad")->group("What");
  app.add_flag("--stats", options->inspect.statistics, "Mean, deviation, extremes, NaN and infinite values")
      ->group("What");
  app.add_flag("--ids", options->ids, "Print the ids, one a line, as mt-cat --ids reads them")->group("What");
  app.add_flag("--devices", options->devices, "List what this machine can encode with: the CPU and each card")
      ->group("What");
  cli::add_common_options(app, options->common);
  return [options] { return options->devices ? list_devices(*options) : inspect_all(*options); };
}

}  // namespace

int main(int argc, char** argv) { return cli::run(kAbout, argc, argv, describe); }
