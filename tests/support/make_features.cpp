// Makes sample files for the command-line tests: features whose classes lie apart, with a head that knows them.
//
//   make_features OUT.h5 [--samples N] [--width D] [--classes a,b,c] [--seed S] [--noise X] [--config JSON] [--prefix
//   P]
//                 [--shard I/N] [--no-labels] [--unknown K] [--nan ROW] [--rejected K] [--tokens] [--windows W]
//                 [--kind KIND] [--half] [--journal] [--twice] [--leading N] [--no-positions] [--source HEX]
//   make_features --head OUT.h5 [--width D] [--classes a,b,c] [--config JSON] [--modality M]
//
// Sample i is the same whatever the shard. --unknown: every K-th has no label; --rejected: every K-th input is
// rejected;
// --windows: ids "P<i/W>.wav#<i%W>"; --journal: stops without finishing; --twice: sample 1
// has the id of sample 0; --leading: so many of each sample's tokens are no data. OUT "-" is standard output.
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "heads/head.h"
#include "store/model_file.h"
#include "store/sample_writer.h"

using namespace mt;

namespace {

struct Options {
  std::string output, head, prefix = "img", kind, modality = "image";
  std::vector<std::string> classes = {"cat", "dog", "fox"};
  nlohmann::json config = {{"pool", "cls"}};
  std::size_t samples = 60, width = 8, shard = 0, shards = 1, unknown = 0, rejected = 0, windows = 0, leading = 0;
  std::int64_t nan = -1;
  std::uint64_t seed = 0;
  double noise = 0.5;
  std::string source;
  bool positions = true, labels = true, tokens = false, half = false, journal = false, twice = false;
};

// The middle of class c: three units along its own axis.
float centre(std::size_t c, std::size_t column) { return column == c ? 3.0F : 0.0F; }

Schema schema_of(const Options& options) {
  Schema schema;
  schema.kind = !options.kind.empty() ? kind_named(options.kind) : options.tokens ? Kind::tokens : Kind::features;
  schema.ragged = options.tokens;
  schema.modality = options.modality;
  schema.creator = "make_features 1.0";
  schema.config = options.config;
  schema.width = options.width;
  schema.dtype = options.half ? DType::f16 : DType::f32;
  schema.prefix = options.leading;
  schema.positions = options.positions;
  schema.source = options.source;
  schema.has_labels = options.labels;
  if (options.labels) schema.label_names = options.classes;
  return schema;
}

Batch sample(const Options& options, std::size_t i) {
  Batch one;
  one.ids = {options.windows > 0 ? fmt::format("{}{}.wav#{}", options.prefix, i / options.windows, i % options.windows)
                                 : fmt::format("{}{}.png", options.prefix, i)};
  one.index = {static_cast<std::int64_t>(i)};
  if (options.twice && i == 1) one.ids = {options.prefix + "0.png"};
  const std::size_t label = i % options.classes.size(), rows = options.tokens ? i % 3 + 1 : 1;
  const bool known = options.unknown == 0 || i % options.unknown != 0;
  if (options.labels) one.labels = {known ? static_cast<std::int32_t>(label) : -1};
  if (options.tokens) one.offsets = {0, static_cast<std::int64_t>(rows)};
  one.rows = Tensor(DType::f32, {rows, options.width});
  Random random(options.seed, stream_of("sample", i));
  for (std::size_t k = 0; k < one.rows.size(); ++k) {
    one.rows.as<float>()[k] = centre(label, k % options.width) + static_cast<float>(options.noise * random.normal());
  }
  if (options.nan == static_cast<std::int64_t>(i)) one.rows.as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  if (options.half) one.rows = one.rows.to(DType::f16);
  return one;
}

void write_samples(const Options& options) {
  WriteOptions write;
  write.force = true;
  const auto writer = SampleWriter::create(options.output, schema_of(options), write);
  SetDigest inputs;
  Batch batch;
  for (std::size_t i = options.shard; i < options.samples; i += options.shards) {
    if (options.rejected > 0 && i % options.rejected == 1) {
      batch.rejected.push_back({fmt::format("bad{}.png", i), static_cast<std::int64_t>(i), "it is cut"});
    } else {
      const Batch one = sample(options, i);
      inputs.add(one.ids[0], sha256(one.rows.bytes()));
      batch.append(one);
    }
    if (batch.samples() == 16) {
      writer->write(batch);
      batch = {};
    }
  }
  if (batch.samples() > 0 || !batch.rejected.empty()) writer->write(batch);
  if (!options.journal) writer->finish(inputs.value());
}

void write_head(const Options& options) {
  Part part;
  const std::size_t classes = options.classes.size();
  part.config = {{"task", "classification"},
                 {"kind", "linear"},
                 {"width", options.width},
                 {"class_names", options.classes},
                 {"training", nlohmann::json::object()},
                 {"input",
                  {{"kind", "features"},
                   {"modality", options.modality},
                   {"rows", 1},
                   {"digest", head_input_of(schema_of(options), 1).digest}}}};
  Tensor weight(DType::f32, {classes, options.width});
  for (std::size_t c = 0; c < classes; ++c) {
    for (std::size_t column = 0; column < options.width; ++column) weight.row<float>(c)[column] = centre(c, column);
  }
  part.tensors["layers.0.weight"] = std::move(weight);
  part.tensors["layers.0.bias"] = Tensor(DType::f32, {classes});
  Model model;
  model.parts["head"] = Head::from(part)->to_part();
  write_model_file(options.head, model, "make_features 1.0", true);
}

Options parsed(int argc, char** argv) {
  Options options;
  const auto number = [](const std::string& text) { return static_cast<std::size_t>(std::stoull(text)); };
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : throw std::invalid_argument(word); };
    if (word == "--samples")
      options.samples = number(value());
    else if (word == "--width")
      options.width = number(value());
    else if (word == "--seed")
      options.seed = number(value());
    else if (word == "--noise")
      options.noise = std::stod(value());
    else if (word == "--unknown")
      options.unknown = number(value());
    else if (word == "--rejected")
      options.rejected = number(value());
    else if (word == "--windows")
      options.windows = number(value());
    else if (word == "--nan")
      options.nan = std::stoll(value());
    else if (word == "--prefix")
      options.prefix = value();
    else if (word == "--kind")
      options.kind = value();
    else if (word == "--modality")
      options.modality = value();
    else if (word == "--config")
      options.config = nlohmann::json::parse(value());
    else if (word == "--head")
      options.head = value();
    else if (word == "--leading")
      options.leading = number(value());
    else if (word == "--source")
      options.source = value();
    else if (word == "--no-positions")
      options.positions = false;
    else if (word == "--no-labels")
      options.labels = false;
    else if (word == "--tokens")
      options.tokens = true;
    else if (word == "--half")
      options.half = true;
    else if (word == "--twice")
      options.twice = true;
    else if (word == "--journal")
      options.journal = true;
    else if (word == "--shard") {
      const std::string shard = value();
      options.shard = number(shard.substr(0, shard.find('/')));
      options.shards = number(shard.substr(shard.find('/') + 1));
    } else if (word == "--classes") {
      options.classes.clear();
      const std::string names = value();
      for (const std::string_view name : split(names, ',')) options.classes.emplace_back(name);
    } else if (options.output.empty())
      options.output = word;
    else
      throw std::invalid_argument(word);
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parsed(argc, argv);
    if (!options.head.empty()) write_head(options);
    if (!options.output.empty()) write_samples(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_features: %s\n", error.what());
    return 1;
  }
}
