#include <filesystem>
#include <memory>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "decode/sample_id.h"
#include "decode/spectral/labelled_pixels.h"
#include "decode/spectral/spectral_cube.h"
#include "tokenize/modality.h"
#include "tokenize/sequences.h"
#include "tokenize/spectral_samples.h"

namespace mt::tokenize {

namespace {

struct SpectralCommand {
  SequenceOptions sequence;
  std::string input, variable, size, class_names, split = "all", scale = "minmax", fit_pixels = "samples", ids = "path";
  PixelChoice pixels;
  std::size_t window = 1, neighbours = 1;
};

void add_scene_options(CLI::App& app, SpectralCommand& o) {
  app.add_option("INPUT", o.input, "Scene: ENVI (.hdr or its data), MATLAB 5 or 7.3 (.mat), .npy or .npz");
  const auto input = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Input");
  };
  input("--variable", o.variable, "NAME", "Variable that holds the scene; else the largest that can");
  input("--size", o.size, "ROWSxCOLUMNS",
        "Of a scene that is kept as a matrix of spectra; else nRow and nCol of the file");
  input("--labels", o.pixels.labels, "FILE",
        "Label image or abundances, in any of these formats; else the scene's file");
  input("--labels-variable", o.pixels.variable, "NAME", "Variable that holds them; without both all pixels are taken");
  input("--background", o.pixels.background, "N", "Label of pixels that are no samples")->capture_default_str();
  input("--class-names", o.class_names, "A,B,...", "Names of the classes 1, 2, ...; else their numbers");
  input("--ids", o.ids, "path|stem", "Sample ids with or without the file's extension")
      ->check(CLI::IsMember({"path", "stem"}))
      ->capture_default_str();
  const auto split = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Split");
  };
  split("--split-fraction", o.pixels.fraction, "X", "Share of the labelled pixels that is drawn for training")
      ->check(CLI::Range(0.0, 1.0));
  split("--split", o.split, "all|train|test", "The pixels that were drawn, or the others")
      ->check(CLI::IsMember({"all", "train", "test"}))
      ->capture_default_str();
  split("--split-seed", o.pixels.seed, "N",
        "Of the draw, which depends on nothing else but the list of labelled pixels")
      ->capture_default_str();
}

void add_token_options(CLI::App& app, SpectralCommand& o) {
  add_sequence_options(app, o.sequence);
  const auto model = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Model");
  };
  const CLI::Range sizes(std::size_t{1}, std::size_t{255});
  model("--window", o.window, "P", "With --fit: side of the square around each pixel, odd")
      ->check(sizes)
      ->capture_default_str();
  model("--neighbours", o.neighbours, "B", "With --fit: bands that a token shows, its own in the middle, odd")
      ->check(sizes)
      ->capture_default_str();
  model("--scale", o.scale, "minmax|zscore", "With --fit: each band to 0 ... 1, or to mean 0 and deviation 1")
      ->check(CLI::IsMember({"minmax", "zscore"}))
      ->capture_default_str();
  model("--fit-pixels", o.fit_pixels, "samples|scene",
        "With --fit: measure the pixels that are taken, or the whole scene")
      ->check(CLI::IsMember({"samples", "scene"}))
      ->capture_default_str();
}

SceneSize size_named(const std::string& text) {
  const auto parts = split(text, 'x');
  const auto rows = parse_int(parts[0]), columns = parts.size() == 2 ? parse_int(parts[1]) : std::nullopt;
  if (!rows || !columns || *rows < 1 || *columns < 1 || *rows > 1'000'000 || *columns > 1'000'000)
    throw UsageError("--size", fmt::format("\"{}\" is not ROWSxCOLUMNS", printable(text)), "e.g. 100x120");
  return {static_cast<std::size_t>(*rows), static_cast<std::size_t>(*columns)};
}

void complete(SpectralCommand& o) {
  check(o.sequence);
  if (o.input.empty()) throw UsageError("INPUT", "no scene is named");
  if (o.window % 2 == 0)
    throw UsageError("--window", fmt::format("{} is even", o.window), "a pixel has to be in the middle");
  if (o.neighbours % 2 == 0)
    throw UsageError("--neighbours", fmt::format("{} is even", o.neighbours), "a band has to be in the middle");
  if ((o.split != "all") != (o.pixels.fraction > 0))
    throw UsageError(o.split != "all" ? "--split-fraction" : "--split", "is missing", "a split needs both");
  o.pixels.test = o.split == "test";
  if (!o.sequence.fit.empty() && o.pixels.test)
    throw UsageError("--fit", "statistics come from training data, not from --split test", "--split train with --fit");
  if (o.class_names.empty()) return;
  for (const std::string_view name : split(o.class_names, ',')) o.pixels.class_names.emplace_back(trimmed(name));
}

cli::Outcome tokenize_scene(SpectralCommand o) {
  complete(o);
  cli::ProgressBar progress("mt-tokenize", "tokenize", o.sequence.session.common);
  CubeChoice choice{o.variable, {}};
  if (!o.size.empty()) choice.size = size_named(o.size);
  const auto scene = open_spectral_cube(o.input, choice);
  LabelledPixels pixels = choose_pixels(*scene, o.input, o.pixels);

  TokenizerRecipe recipe;
  recipe.modality = "hyperspectral";
  recipe.fitted = true;
  recipe.make = [&] {
    const ScaleKind kind = scale_kind_named(o.scale);
    return to_part(
        {o.window, o.neighbours, kind, fit_spectra(*scene, o.fit_pixels == "scene" ? nullptr : &pixels, kind)});
  };
  recipe.initialise = initialise_spectral_embedding;
  const Tokenizer tokenizer = choose_tokenizer(recipe, o.sequence, progress);

  const std::string name = sample_id(std::filesystem::path(o.input).filename().string(), o.ids == "stem");
  const SpectralSamples samples(*scene, name, std::move(pixels), spectral_tokenization_of(tokenizer.part));
  std::vector<std::string> inputs = {o.input};
  if (!o.pixels.labels.empty()) inputs.push_back(o.pixels.labels);
  return run_sequences(samples, samples.schema(), tokenizer, scene->bands(), inputs, o.sequence, progress);
}

}  // namespace

Modality hyperspectral_modality() {
  return {"hyperspectral",
          "pixels of hyperspectral scenes: ENVI, MATLAB, NPY, NPZ",
          {"mt-tokenize",
           "hyperspectral [options] SCENE -o TOKENS",
           "Turn the pixels of a hyperspectral scene into tokens: a sequence of bands for each labelled pixel.",
           {"mt-tokenize hyperspectral scene.hdr --labels truth.npy --fit bands.h5 --model b16.h5 -o scene.tokens.h5",
            "mt-tokenize hyperspectral other.hdr --labels other.npy --model bands.h5 -o other.tokens.h5"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-train-head(1)", "mt-format(5)"}},
          [](CLI::App& app) -> cli::Action {
            const auto options = std::make_shared<SpectralCommand>();
            add_scene_options(app, *options);
            add_token_options(app, *options);
            add_run_options(app, options->sequence.session);
            return [options] { return tokenize_scene(*options); };
          }};
}

}  // namespace mt::tokenize
