// mt-tokenize MODALITY: the first word chooses the modality, whose options are its own (apps/tokenize/).
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/run.h"
#include "tokenize/modality.h"
#include "tokenize/session.h"

namespace {

using namespace mt;

std::vector<tokenize::Modality> modalities() {
  return {tokenize::text_modality(),        tokenize::image_modality(),         tokenize::infrared_modality(),
          tokenize::xray_modality(),        tokenize::hyperspectral_modality(), tokenize::point_cloud_modality(),
          tokenize::audio_modality(),       tokenize::video_modality(),         tokenize::imu_modality(),
          tokenize::time_series_modality(), tokenize::tabular_modality(),       tokenize::graph_modality()};
}

// The program without a modality: its help, and what is wrong.
int run_without(const std::vector<tokenize::Modality>& known, int argc, char** argv) {
  cli::About about{
      "mt-tokenize",
      "MODALITY [options] INPUT... -o TOKENS",
      "Turn raw data into tokens. The first word says what the data are; each modality has options of its own besides "
      "these (mt-tokenize MODALITY --help).",
      {"mt-tokenize image photos/ --model b16.h5 --labels directory -o photos.tokens.h5", "mt-tokenize image --help"},
      {}};
  std::vector<std::string> names;
  for (const tokenize::Modality& modality : known) {
    about.choices.emplace_back(modality.name, modality.inputs);
    about.see_also.push_back(fmt::format("mt-tokenize-{}(1)", modality.name));
    names.push_back(modality.name);
  }
  about.see_also.emplace_back("mt-encode(1)");
  return cli::run(about, argc, argv, [&](CLI::App& app) {
    const auto words = std::make_shared<std::vector<std::string>>();
    const auto options = std::make_shared<tokenize::SessionOptions>();
    app.add_option("MODALITY", *words, "What the data are")->group("");
    tokenize::add_model_options(app, *options);
    tokenize::add_run_options(app, *options);
    return [words, options, names]() -> cli::Outcome {  // parsing writes to both, after this function
      if (words->empty()) throw UsageError("MODALITY", "is missing", fmt::format("{}", fmt::join(names, ", ")));
      for (const std::string& name : names) {
        if (words->front() == name) throw UsageError(name, "the modality comes first, before all options");
      }
      const std::string near = nearest(words->front(), names);
      throw UsageError(words->front(), "is no modality",
                       near.empty() ? fmt::format("{}", fmt::join(names, ", ")) : "did you mean " + near + "?");
    };
  });
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<tokenize::Modality> known = modalities();
  for (const tokenize::Modality& modality : known) {
    // The modality's own command line begins behind its name.
    if (argc > 1 && modality.name == argv[1]) return cli::run(modality.about, argc - 1, argv + 1, modality.describe);
  }
  return run_without(known, argc, argv);
}
