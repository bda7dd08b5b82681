// From files to tokens and back: pictures (when some are named), word pieces, HDF5.
#include <fmt/format.h>

#include "base/files.h"
#include "base/random.h"
#include "decode/image.h"
#include "limits.h"
#include "sections.h"
#include "store/sample_reader.h"
#include "store/sample_writer.h"
#include "token_files.h"
#include "tokenize/image_patches.h"
#include "tokenize/image_prepare.h"
#include "tokenize/image_tokenizer.h"
#include "tokenize/text/wordpiece.h"
#include "tokenize/text/wordpiece_trainer.h"

namespace mt::bench {

namespace {

// Each stage from a picture file to tokens, on one thread.
void pictures(const Settings& settings, Table& table) {
  const std::vector<std::string>& files = settings.pictures;
  if (files.empty()) return;
  std::vector<std::vector<std::byte>> bytes;
  std::vector<Image> images;
  for (const std::string& file : files) {
    bytes.push_back(read_file(file, std::uint64_t{1} << 30));
    images.push_back(decode_image(bytes.back(), file));
  }
  const Normalization clip{{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
  const ImagePreparation preparation;
  const ImageTokenizer tokenizer(initial_image_tokenizer(768, 16, clip, preparation.size, 0), preparation.size, clip);
  std::vector<PreparedImage> prepared;
  for (const Image& image : images) prepared.push_back(prepare_image(image, preparation));
  Tensor patches(DType::f32, {tokenizer.patches(), 768});

  const auto n = static_cast<double>(files.size());
  double total = 0;
  const auto stage = [&](const char* name, bool counts, const std::function<void(std::size_t)>& work) {
    const double seconds = seconds_of(settings, [&] {
      for (std::size_t i = 0; i < files.size(); ++i) work(i);
    });
    if (counts) total += seconds / n;
    table.add(
        {"pictures to tokens", name, 1, seconds / n * 1e3, "ms", {}, {}, fmt::format("{:.0f} a second", n / seconds)});
  };
  stage("read and decode", true,
        [&](std::size_t i) { decode_image(read_file(files[i], std::uint64_t{1} << 30), files[i]); });
  ImageLimits reduced;
  reduced.reduce_to = preparation.size.height;
  stage("  --fast-decode instead", false, [&](std::size_t i) { decode_image(bytes[i], files[i], reduced); });
  stage("resize, crop", true, [&](std::size_t i) { prepare_image(images[i], preparation); });
  stage("patches, normalise", true,
        [&](std::size_t i) { cut_patches(prepared[i].pixels, 16, clip, patches.as<float>()); });
  stage("embed into 768", true, [&](std::size_t) { tokenizer.embed(patches); });
  table.add({"pictures to tokens", "all", 1, total * 1e3, "ms", {}, {}, fmt::format("{:.0f} a second", 1 / total)});
}

// Words of two to ten letters, the frequent ones far more often than the rest.
void texts(const Settings& settings, Table& table) {
  Random random(1, 5);
  std::vector<std::string> words(4000);
  for (std::string& word : words) {
    word.resize(2 + random.below(9));
    for (char& letter : word) letter = static_cast<char>('a' + random.below(26));
  }
  std::string text;
  while (text.size() < 1 << 20) text += words[random.below(1 + random.below(words.size()))] + ' ';
  WordPieceTraining training;
  training.vocabulary = 8000;
  WordPieceTrainer trainer(training);
  trainer.add(text);
  const WordPiece pieces(trainer.train(), true);
  const double seconds = seconds_of(settings, [&] { pieces.encode(text, std::nullopt, text.size()); });
  table.add({"text to word pieces", "1 MiB", 1, static_cast<double>(text.size()) / seconds * 1e-6, "MB/s", {}, {}, ""});
}

// Tokens of B16 written and read again as the programs do, with checksums.
void storage(const Settings& settings, Table& table) {
  const TemporaryFolder folder;
  const std::string name = folder.path / "tokens.h5";
  const Schema schema = token_schema(768);
  const Batch batch = token_batch(20, 197, 768);
  const double bytes = static_cast<double>(batch.rows.bytes().size()) * 16;
  const double writing = seconds_of(settings, [&] { write_tokens(name, schema, batch, 16); });
  const double reading = seconds_of(settings, [&] {
    const auto reader = SampleReader::open(name);
    while (reader->next(4096, 4096)) {
    }
  });
  table.add(
      {"HDF5, 197 x 768 tokens", "write (journal, file, publication)", 1, bytes / writing * 1e-9, "GB/s", {}, {}, ""});
  table.add({"HDF5, 197 x 768 tokens", "read", 1, bytes / reading * 1e-9, "GB/s", {}, {}, ""});
}

}  // namespace

void measure_data(const Settings& settings, Table& table) {
  pictures(settings, table);
  texts(settings, table);
  storage(settings, table);
}

}  // namespace mt::bench
