#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "decode/point_cloud_source.h"
#include "tokenize/modality.h"
#include "tokenize/point_cloud/point_cloud_samples.h"
#include "tokenize/point_cloud/point_embedding.h"
#include "tokenize/sequences.h"

namespace mt::tokenize {

namespace {

// Enough for means and variances; more would only take longer.
constexpr std::size_t kCalibrationClouds = 64, kCalibrationPatches = 64;

struct PointCloudOptions {
  SequenceOptions sequence;
  PointCloudSourceOptions source;
  std::string ids = "path", mesh = "surface";
  std::optional<std::size_t> points, centers, neighbors;
  std::string sampling, scale, features;
  bool no_normalize = false, drop_invalid = false;
  std::vector<std::string> columns;
};

void add_options(CLI::App& app, PointCloudOptions& options) {
  SampleListOptions& list = options.source.list;
  app.add_option("INPUT", list.inputs,
                 "Point clouds and meshes, directories; \"-\" reads a list of paths from standard input");
  const auto input = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Input");
  };
  input("--manifest", list.manifests, "FILE", "CSV, TSV, JSON or JSON-lines list of clouds; may be given twice");
  input("--path-column", list.columns.path, "NAME", "Column of the manifest that holds the path")
      ->capture_default_str();
  input("--label-column", list.columns.label, "NAME", "Column of the manifest that holds the class")
      ->capture_default_str();
  input("--id-column", list.columns.id, "NAME", "Column of the manifest that holds the id")->capture_default_str();
  input("--labels", list.labels, "directory|FILE", "Classes: the name of the file's folder, or an NPY or CSV file");
  input("--array", options.source.array, "NAME", "Array of an HDF5 or NPZ file that holds the clouds [data, points]");
  input("--label-array", options.source.label_array, "NAME", "Array of the classes [label, labels, y]");
  input("--ids", options.ids, "path|stem", "Sample ids with or without the file's extension")
      ->check(CLI::IsMember({"path", "stem"}))
      ->capture_default_str();
  add_sequence_options(app, options.sequence);

  const auto cloud = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Cloud");
  };
  cloud("--points", options.points, "N",
        "Points taken of a larger cloud, and of a mesh; 0: all, and a mesh's vertices [1024]")
      ->check(CLI::Range(std::size_t{0}, std::size_t{1} << 27));
  cloud("--sampling", options.sampling, "random|fps|first", "How they are chosen; fps: farthest points [random]")
      ->check(CLI::IsMember({"random", "fps", "first"}));
  cloud("--mesh", options.mesh, "surface|vertices", "A mesh's points: spread over its surface by area, or its vertices")
      ->check(CLI::IsMember({"surface", "vertices"}))
      ->capture_default_str();
  cloud("--scale", options.scale, "sphere|centre|none",
        "sphere: around 0, within radius 1; centre: around 0, sizes kept; none: as they are [sphere]")
      ->check(CLI::IsMember({"sphere", "centre", "none"}));
  app.add_flag("--no-normalize", options.no_normalize, "The same as --scale none")->group("Cloud");
  app.add_flag("--drop-invalid", options.drop_invalid, "Leave points out whose coordinates are NaN or infinite")
      ->group("Cloud");
  cloud("--centers", options.centers, "N", "Tokens: centres chosen by farthest point sampling [256]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20));
  cloud("--neighbors", options.neighbors, "N", "Nearest points of each centre's patch [32]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  cloud("--features", options.features, "dp|dp_df",
        "Of each point: coordinates less the centre's; dp_df: --columns less the centre's too [dp]")
      ->check(CLI::IsMember({"dp", "dp_df"}));
  cloud("--columns", options.columns, "NAME,...", "Columns of the files for dp_df, e.g. red,green,blue")
      ->delimiter(',');
  add_run_options(app, options.sequence.session);
}

PointScale scale_named(const std::string& name) {
  for (const PointScale scale : {PointScale::none, PointScale::centre}) {
    if (name_of(scale) == name) return scale;
  }
  return PointScale::sphere;
}

PointSampling sampling_named(const std::string& name) {
  for (const PointSampling sampling : {PointSampling::farthest, PointSampling::first}) {
    if (name_of(sampling) == name) return sampling;
  }
  return PointSampling::random;
}

// What the command line asks for; the rest as settings has it.
PointCloudTokenization with_options(PointCloudTokenization settings, const PointCloudOptions& options) {
  settings.points = options.points.value_or(settings.points);
  settings.centers = options.centers.value_or(settings.centers);
  settings.neighbors = options.neighbors.value_or(settings.neighbors);
  if (!options.sampling.empty()) settings.sampling = sampling_named(options.sampling);
  if (options.mesh == "vertices") settings.surface = false;
  if (options.no_normalize || !options.scale.empty()) {
    settings.scale = options.no_normalize ? PointScale::none : scale_named(options.scale);
  }
  settings.drop_invalid = options.drop_invalid;
  settings.seed = options.sequence.session.common.seed;
  return settings;
}

// Rows of at most some patches of at most some clouds, spread over the list.
Tensor calibration_patches(const PointCloudSamples& samples) {
  Batch batch = samples.empty_batch();
  Tensor rows = batch.rows;
  const std::size_t step = std::max<std::size_t>(1, samples.size() / kCalibrationClouds);
  for (std::size_t i = 0; i < samples.size(); i += step) {
    Batch one = samples.empty_batch();
    try {
      samples.make(i, one);
    } catch (const Error&) {
      continue;  // will be rejected when its turn comes
    }
    const std::size_t every = std::max<std::size_t>(1, one.rows.rows() / kCalibrationPatches);
    for (std::size_t row = 0; row < one.rows.rows(); row += every) {
      rows.resize_rows(rows.rows() + 1);
      std::ranges::copy(std::as_const(one.rows).row<float>(row), rows.row<float>(rows.rows() - 1).begin());
    }
  }
  return rows;
}

void require_same(const PointCloudTokenization& fitted, const PointCloudOptions& options) {
  const auto refuse = [](const char* option, const std::string& asked, const std::string& has) {
    throw UsageError(option, fmt::format("{} was asked for, the model's tokenizer has {}", asked, has),
                     "leave the option out, or fit another tokenizer");
  };
  if (options.neighbors && *options.neighbors != fitted.neighbors) {
    refuse("--neighbors", fmt::to_string(*options.neighbors), fmt::to_string(fitted.neighbors));
  }
  if (!options.features.empty() && options.features != name_of(fitted.features)) {
    refuse("--features", options.features, std::string(name_of(fitted.features)));
  }
  if (!options.columns.empty() && options.columns != fitted.columns) {
    refuse("--columns", fmt::format("{}", fmt::join(options.columns, ",")),
           fitted.columns.empty() ? "none" : fmt::format("{}", fmt::join(fitted.columns, ",")));
  }
}

cli::Outcome run(PointCloudOptions options) {
  check(options.sequence);
  SampleListOptions& list = options.source.list;
  if (list.inputs.empty() && list.manifests.empty()) {
    throw UsageError("INPUT", "no point cloud, directory or --manifest is named");
  }
  if (options.no_normalize && !options.scale.empty() && options.scale != "none") {
    throw UsageError("--no-normalize", "and --scale " + options.scale + " exclude each other");
  }
  if ((options.features == "dp_df") && options.columns.empty() && options.sequence.session.models.empty()) {
    throw UsageError("--features", "dp_df needs --columns", "e.g. --columns red,green,blue");
  }
  if (!options.columns.empty() && options.features == "dp") {
    throw UsageError("--columns", "belong to --features dp_df");
  }
  list.id_stem = options.ids == "stem";
  const PointCloudSource source(options.source);

  cli::ProgressBar progress("mt-tokenize", "tokenize", options.sequence.session.common);
  TokenizerRecipe recipe;
  recipe.modality = "point-cloud";
  recipe.fitted = !options.columns.empty() || options.features == "dp_df";
  recipe.make = [&] {
    PointCloudTokenization settings = with_options({}, options);
    if (recipe.fitted) {
      settings.features = PointFeatures::dp_df;
      settings.columns = options.columns;
      settings.deviations = column_deviations(source, settings);
    }
    Part part;
    part.config["modality"] = recipe.modality;
    settings.store(part);
    return part;
  };
  recipe.initialise = [&](Part& part, std::size_t width, std::uint64_t seed) {
    add_initial_point_embedding(part, width, seed);
    if (options.sequence.fit.empty()) return;  // norms that do nothing
    PointEmbedding embedding(part);
    embedding.calibrate_norms(
        calibration_patches(PointCloudSamples(source, with_options(PointCloudTokenization::from(part), options))));
    embedding.store(part);
  };
  const Tokenizer tokenizer = choose_tokenizer(recipe, options.sequence, progress);
  const PointCloudTokenization settings = PointCloudTokenization::from(tokenizer.part);
  require_same(settings, options);
  const PointCloudSamples samples(source, with_options(settings, options));

  Schema schema = samples.schema();
  schema.config = samples.config();
  std::vector<std::string> files = list.inputs;
  files.insert(files.end(), list.manifests.begin(), list.manifests.end());
  return run_sequences(samples, schema, tokenizer, options.centers.value_or(settings.centers), files, options.sequence,
                       progress);
}

}  // namespace

Modality point_cloud_modality() {
  return {
      "point-cloud",
      "PLY, PCD, OFF, OBJ, XYZ, CSV, PTS, KITTI .bin, NPY, NPZ and HDF5 (ModelNet40) files, directories, manifests",
      {"mt-tokenize",
       "point-cloud [options] INPUT... -o TOKENS",
       "Turn point clouds and meshes into tokens: farthest points as centres, the nearest neighbours of each through "
       "a small PointNet.",
       {"mt-tokenize point-cloud train/ --labels directory --model b16.h5 --fit clouds.h5 -o train.tokens.h5",
        "mt-tokenize point-cloud test/ --labels directory --model b16.h5 --model clouds.h5 -o test.tokens.h5"},
       {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
      [](CLI::App& app) -> cli::Action {
        const auto options = std::make_shared<PointCloudOptions>();
        add_options(app, *options);
        return [options] { return run(*options); };
      }};
}

}  // namespace mt::tokenize
