#include "tokenize/pictures.h"

#include <memory>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "cli/progress_bar.h"
#include "encoder/model_source.h"
#include "tokenize/image_samples.h"
#include "tokenize/picture_constants.h"

namespace mt::tokenize {

namespace {

constexpr std::size_t kDefaultSide = 224, kDefaultPatch = 16;

// One constant for all channels, for patches of one channel.
Normalization averaged(const Normalization& normalization) {
  const auto mean_of = [](const std::vector<float>& values) {
    double sum = 0;
    for (const float value : values) sum += value;
    return static_cast<float>(sum / static_cast<double>(values.size()));
  };
  return {{mean_of(normalization.mean)}, {mean_of(normalization.std)}};
}

ImagePreparation preparation_of(const PictureKind& kind, const PictureOptions& options) {
  ImagePreparation preparation;
  preparation.mode = resize_mode_named(options.resize);
  preparation.filter = filter_named(options.filter);
  preparation.window = window_named(options.window);
  preparation.upright = !options.no_exif && options.preset != "clip";
  preparation.grey = kind.grey;
  if (!options.size.empty()) preparation.size = size_named(options.size);
  return preparation;
}

// The tokenizer's part of the model, and what became of it.
struct ModelPart {
  Part part;
  bool initial = false;  // the model has none: initialised from the seed
};

std::optional<std::string> part_name(const Model& model, const PictureKind& kind) {
  for (const std::string& name : {"tokenizer/" + kind.modality, std::string("tokenizer/image")}) {
    if (model.has(name)) return name;
  }
  return std::nullopt;
}

ModelPart model_part(const PictureKind& kind, const PictureOptions& options, Progress& progress) {
  ModelOverrides overrides;
  overrides.seed = options.session.common.seed;
  const Model model = load_models(options.session.models, overrides, progress);
  if (const auto name = part_name(model, kind)) return {model.part(*name), false};
  const nlohmann::json& encoder = model.part("encoder").config;
  const std::size_t width = encoder.value("width", std::size_t{0});
  if (width == 0) throw Error(model.source, "has neither a tokenizer for images nor an encoder with a width");
  const std::size_t patch = options.patch.value_or(kDefaultPatch);
  const Size size = options.size.empty() ? Size{kDefaultSide, kDefaultSide} : size_named(options.size);
  progress.note(
      fmt::format("{} has no tokenizer for images: one of width {} with patches of {} is initialised from --seed {} "
                  "(tokens of it carry the picture, but nothing learned)",
                  model.source, width, patch, options.session.common.seed));
  return {initial_image_tokenizer(width, patch, kClip, size, options.session.common.seed), true};
}

// The first picture of the list that can be read tells the type of patches, whatever the shard.
bool first_is_bytes(const ImageSource& source, const ImagePreparation& preparation) {
  if (preparation.window.kind != Window::Kind::none && preparation.window.kind != Window::Kind::automatic) return false;
  for (std::size_t i = 0; i < source.size(); ++i) {
    try {
      return source.load(i).image.pixels.dtype() == DType::u8;
    } catch (const Error&) {
      continue;  // will be rejected when its turn comes
    }
  }
  return true;
}

void require_whole_patches(const char* option, Size size, std::size_t patch) {
  if (patch == 0 || size.height % patch != 0 || size.width % patch != 0) {
    throw UsageError(option, fmt::format("{}x{} is no whole number of patches of {}", size.height, size.width, patch),
                     fmt::format("e.g. {} {}", option,
                                 std::max<std::size_t>(1, kDefaultSide / std::max<std::size_t>(1, patch)) * patch));
  }
}

}  // namespace

void add_picture_options(CLI::App& app, const PictureKind& kind, PictureOptions& options) {
  app.add_option("INPUT", options.source.inputs,
                 "Pictures, directories, IDX, NPY or NPZ files; \"-\" reads a list of paths from standard input");
  const auto input = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Input");
  };
  input("--manifest", options.source.manifests, "FILE",
        "CSV, TSV, JSON or JSON-lines list of pictures; may be given twice");
  input("--path-column", options.source.path_column, "NAME", "Column of the manifest that holds the path")
      ->capture_default_str();
  input("--label-column", options.source.label_column, "NAME", "Column of the manifest that holds the class")
      ->capture_default_str();
  input("--id-column", options.source.id_column, "NAME", "Column of the manifest that holds the id")
      ->capture_default_str();
  input("--labels", options.source.labels, "directory|FILE",
        "Classes: the name of the picture's folder, or an IDX, NPY or CSV file");
  input("--array", options.source.array, "NAME", "Array of an NPZ file that holds the pictures, when it has several");
  input("--label-array", options.source.label_array, "NAME", "Array of an NPZ file that holds the classes");
  input("--ids", options.ids, "path|stem", "Sample ids with or without the file's extension")
      ->check(CLI::IsMember({"path", "stem"}))
      ->capture_default_str();
  app.add_flag("--fast-decode", options.fast_decode,
               "Decode JPEG at reduced scale where the target is small (other numbers)")
      ->group("Input");

  add_model_options(app, options.session);
  const auto model = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Model");
  };
  app.add_flag("--patches", options.patches, "Stop before the embedding: write patches")->group("Model");
  model("--patch", options.patch, "N", "Side of a patch where the model does not say [16]")
      ->check(CLI::Range(std::size_t{1}, std::size_t{4096}));
  model("--patch-type", options.patch_type, "TYPE",
        "uint8 (not normalised) or float32 patches; auto: as deep as the first picture")
      ->check(CLI::IsMember({"auto", "uint8", "float32"}))
      ->capture_default_str();
  if (kind.grey) {
    model("--channels", options.channels, "replicate|sum",
          "Show the one channel to all of the model's, or to the sum of their kernels (equal, and faster)")
        ->check(CLI::IsMember({"replicate", "sum"}))
        ->capture_default_str();
  }

  const auto picture = [&](const char* name, auto& value, const char* text, const char* what) {
    return app.add_option(name, value, what)->option_text(text)->group("Picture");
  };
  CLI::Option* preset =
      picture("--preset", options.preset, "clip", "Prepare exactly as open_clip does")->check(CLI::IsMember({"clip"}));
  picture("--size", options.size, "N|HxW", "Side, or height and width, in pixels; else the model's, else 224");
  picture(
      "--store-size", options.store_size, "N|HxW",
      "With --patches: keep larger pictures, of which training sees parts at --size (mt-train-head --augment crop)");
  picture("--resize", options.resize, "MODE", "shortest (and crop the middle), stretch or pad")
      ->check(CLI::IsMember({"shortest", "stretch", "pad"}))
      ->capture_default_str()
      ->excludes(preset);
  picture("--filter", options.filter, "NAME", "bicubic or bilinear, antialiased")
      ->check(CLI::IsMember({"bicubic", "bilinear"}))
      ->capture_default_str()
      ->excludes(preset);
  picture("--mean", options.mean, "M", "clip, imagenet, half or numbers from 0 to 1; else the model's, else clip");
  picture("--std", options.std, "S", "Likewise the standard deviation");
  options.window = kind.window;
  picture("--window", options.window, "W",
          "Grey levels from black to white: auto, none, dicom, LOW,HIGH or percentile:LOW,HIGH")
      ->capture_default_str();
  app.add_flag("--no-exif", options.no_exif, "Do not turn pictures upright by their EXIF orientation")
      ->group("Picture");
  add_run_options(app, options.session);
}

cli::Outcome tokenize_pictures(const PictureKind& kind, PictureOptions options) {
  check(options.session);
  if (options.source.inputs.empty() && options.source.manifests.empty()) {
    throw UsageError("INPUT", "no picture, directory or --manifest is named");
  }
  if (options.session.models.empty() && !options.patches) {
    throw UsageError("--model", "tokens need a model", "or --patches, to stop before the embedding");
  }
  ImageTokenization tokenization;
  tokenization.modality = kind.modality;
  tokenization.preparation = preparation_of(kind, options);
  ImagePreparation& preparation = tokenization.preparation;

  cli::ProgressBar progress("mt-tokenize", "tokenize", options.session.common);
  std::optional<ModelPart> model;
  std::optional<ImageModel> shape;
  if (!options.session.models.empty()) {
    model = model_part(kind, options, progress);
    shape = image_model_of(model->part);
    if (shape->channels != 3 && shape->channels != 1) {
      throw Error(options.session.models[0],
                  fmt::format("its image tokenizer takes {} channels, pictures have 1 or 3", shape->channels));
    }
    if (options.patch && *options.patch != shape->patch) {
      throw UsageError("--patch", fmt::format("{} was asked for, the model's patches have a side of {}", *options.patch,
                                              shape->patch));
    }
    if (options.size.empty() && shape->size != Size{}) preparation.size = shape->size;
  }
  tokenization.patch = shape ? shape->patch : options.patch.value_or(kDefaultPatch);
  require_whole_patches("--size", preparation.size, tokenization.patch);
  const Size learned = preparation.size;
  if (!options.store_size.empty()) {
    if (!options.patches) throw UsageError("--store-size", "tokens are of one size", "it belongs to --patches");
    preparation.size = size_named(options.store_size);
    require_whole_patches("--store-size", preparation.size, tokenization.patch);
  }

  const std::size_t channels = shape ? shape->channels : 3;
  const bool summed = options.channels == "sum" && channels > 1;
  if (channels == 1) preparation.grey = true;
  Normalization constants = shape && shape->normalization ? *shape->normalization
                            : channels == 1               ? averaged(kClip)
                                                          : kClip;
  if (!options.mean.empty()) constants.mean = constants_named("--mean", options.mean, false, channels);
  if (!options.std.empty()) constants.std = constants_named("--std", options.std, true, channels);

  options.source.id_stem = options.ids == "stem";
  if (options.fast_decode) options.source.limits.reduce_to = std::max(preparation.size.height, preparation.size.width);
  const auto source = ImageSource::open(options.source);
  if (options.patches) {
    tokenization.normalization = summed ? averaged(constants) : constants;
    tokenization.bytes =
        options.patch_type == "uint8" || (options.patch_type == "auto" && first_is_bytes(*source, preparation));
  } else {
    tokenization.tokenizer = std::make_shared<ImageTokenizer>(model->part, preparation.size, constants, summed);
    tokenization.normalization = tokenization.tokenizer->normalization();
  }

  const ImageSamples samples(*source, tokenization);
  Schema schema = samples.schema();
  schema.config = samples.config();
  schema.config["mean"] = constants.mean;
  schema.config["std"] = constants.std;
  if (learned != preparation.size) schema.config["learn_size"] = {learned.height, learned.width};
  if (options.fast_decode) schema.config["reduced_jpeg"] = options.source.limits.reduce_to;
  if (!options.patches) {
    schema.source = hex(digest_of(model->part));
    schema.config["tokenizer"] = schema.source;
    if (model->initial) schema.config["initialised_from_seed"] = options.session.common.seed;
  }
  std::vector<std::string> files = options.source.inputs;
  files.insert(files.end(), options.source.manifests.begin(), options.source.manifests.end());
  files.insert(files.end(), options.session.models.begin(), options.session.models.end());
  return run_session(samples, schema, samples.rows_per_sample() * samples.row_bytes(), files, options.session,
                     progress);
}

cli::Action describe_pictures(CLI::App& app, const PictureKind& kind) {
  const auto options = std::make_shared<PictureOptions>();
  add_picture_options(app, kind, *options);
  return [kind, options] { return tokenize_pictures(kind, *options); };
}

}  // namespace mt::tokenize
