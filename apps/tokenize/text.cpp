// mt-tokenize text: options, where the vocabulary comes from, and the run.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "cli/progress_bar.h"
#include "decode/text_lines.h"
#include "encoder/import_text.h"
#include "encoder/model_source.h"
#include "tokenize/modality.h"
#include "tokenize/sequences.h"
#include "tokenize/text/byte_pair.h"
#include "tokenize/text/text_embedding.h"
#include "tokenize/text/text_samples.h"
#include "tokenize/text/wordpiece.h"
#include "tokenize/text/wordpiece_trainer.h"

namespace mt::tokenize {

namespace {

constexpr std::size_t kWordPieceTokens = 128, kBytePairTokens = 77, kMostTokens = 1 << 20;

struct TextOptions {
  SequenceOptions sequence;
  TextSourceOptions source;
  std::string format = "auto", separator, max_line = "16M";
  std::string vocab, merges, train_vocab;
  bool cased = false;
  WordPieceTraining training;
  std::optional<std::size_t> max_tokens;
};

TextFormat format_named(const std::string& name) {
  if (name == "lines") return TextFormat::lines;
  if (name == "tsv") return TextFormat::tsv;
  if (name == "csv") return TextFormat::csv;
  return name == "json" ? TextFormat::json : TextFormat::automatic;
}

void settle_source(TextOptions& options) {
  options.source.format = format_named(options.format);
  if (!options.separator.empty()) {
    if (options.separator.size() != 1) throw UsageError("--separator", "is one character", "e.g. --separator ';'");
    options.source.separator = options.separator[0];
  }
  const auto bytes = parse_bytes(options.max_line);
  if (!bytes || *bytes == 0) {
    throw UsageError("--max-line", fmt::format("\"{}\" is not a size", printable(options.max_line)), "e.g. 16M");
  }
  options.source.max_bytes = *bytes;
}

void require_sensible(const TextOptions& options) {
  // Learning a vocabulary alone writes no tokens.
  if (options.train_vocab.empty() || !options.sequence.session.output.output.empty() || !options.sequence.fit.empty())
    check(options.sequence);
  if (options.source.inputs.empty()) throw UsageError("INPUT", "no file is named", "- reads standard input");
  const int vocabularies = !options.vocab.empty() + !options.merges.empty() + !options.train_vocab.empty();
  if (vocabularies > 1) throw UsageError("--vocab", "--merges and --train-vocab exclude each other", "leave one");
  if (options.cased && options.vocab.empty() && options.train_vocab.empty()) {
    throw UsageError("--cased", "belongs to word pieces", "give --vocab or --train-vocab with it");
  }
}

bool has_vocabulary(const Part& part) { return part.has("vocabulary") || part.has("merges"); }

// Learns from all texts that can be read, and writes the vocabulary where it can be used again.
std::vector<std::string> trained_vocabulary(const TextSource& source, const TextOptions& options, Progress& progress) {
  WordPieceTraining training = options.training;
  training.lower_case = !options.cased;
  WordPieceTrainer trainer(training);
  std::size_t unread = 0;
  for (std::size_t i = 0; i < source.size(); ++i) {
    throw_if_interrupted();
    try {
      const TextSource::Loaded loaded = source.load(i);
      trainer.add(loaded.text);
      if (loaded.second) trainer.add(*loaded.second);
    } catch (const Error&) {
      ++unread;  // is named when it is rejected
    }
  }
  std::vector<std::string> vocabulary = trainer.train();
  std::string lines;
  for (const std::string& token : vocabulary) lines += token + "\n";
  const std::string& file = options.train_vocab;
  std::error_code ignored;
  if (!options.sequence.session.output.force && std::filesystem::exists(file, ignored) &&
      read_text_file(file, std::uint64_t{1} << 30) != lines) {
    throw Error(file, "exists already and holds another vocabulary", "--force replaces it");
  }
  write_file(file, lines);
  progress.note(
      fmt::format("vocabulary of {} word pieces from {} texts -> {}", vocabulary.size(), source.size() - unread, file));
  return vocabulary;
}

// The tokenizer that options name, nullptr where they leave it to the model.
std::unique_ptr<TextTokenizer> named_tokenizer(const TextSource& source, const TextOptions& options,
                                               Progress& progress) {
  if (!options.merges.empty()) return std::make_unique<BytePair>(read_merges(options.merges));
  if (!options.vocab.empty()) return std::make_unique<WordPiece>(read_vocabulary(options.vocab), !options.cased);
  if (options.train_vocab.empty()) return nullptr;
  return std::make_unique<WordPiece>(trained_vocabulary(source, options, progress), !options.cased);
}

// Puts the vocabulary into a part that has none: a new one, or the tables of a checkpoint.
void add_vocabulary(Part& part, const TextTokenizer* named) {
  if (named == nullptr) {
    throw UsageError("--vocab", "texts need a vocabulary",
                     "--vocab vocab.txt, --merges merges.txt, --train-vocab FILE or a --model that has one");
  }
  const std::string kind = part.config.value("/tokenizer/kind"_json_pointer, "");
  named->store(part);
  if (!kind.empty() && part.config["tokenizer"]["kind"] != kind) {
    throw UsageError(kind == "wordpiece" ? "--merges" : "--vocab", "is not what the model's tables were made for",
                     kind == "wordpiece" ? "give --vocab" : "give --merges");
  }
  if (part.has("words") && part.at("words").rows() < named->vocabulary_size()) {
    throw Error("--vocab",
                fmt::format("has {} tokens, the model's table {}", named->vocabulary_size(), part.at("words").rows()),
                "give the vocabulary that belongs to the model");
  }
}

// Word table and positions of a CLIP text tower, where a --model has one.
Part clip_tables(const SequenceOptions& options) {
  if (options.session.models.empty()) return {};
  Progress silent;  // choose_tokenizer has told already what the models are
  const Model model = load_models(options.session.models, {}, silent);
  return model.has("text") ? text_tables_of_tower(model.part("text")) : Part();
}

std::size_t max_tokens_of(const Part& part, const TextOptions& options) {
  const bool byte_pairs = part.has("merges");
  const std::size_t usual = byte_pairs ? kBytePairTokens : kWordPieceTokens;
  if (!part.has("positions")) return options.max_tokens.value_or(usual);
  const std::size_t places = part.at("positions").rows();
  if (options.max_tokens.value_or(0) > places) {
    throw UsageError("--max-tokens",
                     fmt::format("{} were asked for, the model has {} places", *options.max_tokens, places));
  }
  return options.max_tokens.value_or(std::min(usual, places));
}

cli::Outcome tokenize_text(TextOptions options) {
  require_sensible(options);
  settle_source(options);
  cli::ProgressBar progress("mt-tokenize", "tokenize", options.sequence.session.common);
  const auto source = TextSource::open(options.source);
  const std::unique_ptr<TextTokenizer> named = named_tokenizer(*source, options, progress);
  if (options.sequence.session.output.output.empty() && options.sequence.fit.empty() &&
      !options.sequence.session.dry_run)
    return cli::Outcome::done;

  bool used = false;
  const auto give_vocabulary = [&](Part& part) {
    add_vocabulary(part, named.get());
    used = true;
  };
  TokenizerRecipe recipe;
  recipe.modality = "text";
  recipe.make = [&] {
    Part part = options.merges.empty() ? Part() : clip_tables(options.sequence);
    part.config["modality"] = "text";
    give_vocabulary(part);
    return part;
  };
  recipe.initialise = [&](Part& part, std::size_t width, std::uint64_t seed) {
    if (!has_vocabulary(part)) give_vocabulary(part);
    add_initial_text_embedding(part, width, max_tokens_of(part, options), seed);
  };
  Tokenizer tokenizer = choose_tokenizer(recipe, options.sequence, progress);
  if (!has_vocabulary(tokenizer.part)) give_vocabulary(tokenizer.part);
  if (named && !used) {
    throw UsageError(options.merges.empty() ? "--vocab" : "--merges", "the model has a vocabulary of its own",
                     "leave it out");
  }
  if (!options.source.pair_column.empty() && tokenizer.part.has("merges")) {
    throw UsageError("--pair-column", "byte pairs take one text, not a pair", "leave it out, or give --vocab");
  }
  const std::size_t max_tokens = max_tokens_of(tokenizer.part, options);
  const TextSamples samples(*source, text_tokenizer_of(tokenizer.part), max_tokens);
  std::vector<std::string> files = options.source.inputs;
  for (const std::string& file : {options.source.labels, options.vocab, options.merges, options.train_vocab}) {
    if (!file.empty()) files.push_back(file);
  }
  const cli::Outcome outcome =
      run_sequences(samples, samples.schema(), tokenizer, max_tokens / 4, files, options.sequence, progress);
  if (samples.truncated() > 0 && !options.sequence.session.dry_run) {
    progress.note(fmt::format("{} texts were longer than {} tokens and were cut", samples.truncated(), max_tokens));
  }
  return outcome;
}

cli::Action describe_text(CLI::App& app) {
  const auto options = std::make_shared<TextOptions>();
  TextOptions& o = *options;
  app.add_option("INPUT", o.source.inputs, "Text files: lines, TSV, CSV or JSON lines; \"-\" is standard input");
  const auto grouped = [&](const char* group) {
    return [&app, group](const char* name, auto& value, const char* text, const char* what) {
      return app.add_option(name, value, what)->option_text(text)->group(group);
    };
  };
  const auto input = grouped("Input"), vocabulary = grouped("Vocabulary");
  input("--format", o.format, "FORMAT", "lines, tsv, csv (RFC 4180) or json (lines); auto: by the file's extension")
      ->check(CLI::IsMember({"auto", "lines", "tsv", "csv", "json"}))
      ->capture_default_str();
  input("--separator", o.separator, "CHAR", "Between the fields of csv [,]");
  input("--column", o.source.column, "COLUMN",
        "Column of the text: its number from 1, or its name in the first row; the key of json [text]");
  input("--pair-column", o.source.pair_column, "COLUMN", "Column of a second text, for pairs");
  input("--label-column", o.source.label_column, "COLUMN", "Column of the class");
  input("--id-column", o.source.id_column, "COLUMN", "Column of the id; else FILE#ROW");
  app.add_flag("--header", o.source.header, "The first row holds names, although columns are given by number")
      ->group("Input");
  input("--labels", o.source.labels, "FILE", "Classes, one a line, in the order of the texts");
  input("--max-line", o.max_line, "SIZE", "Longer lines are rejected")->capture_default_str();

  vocabulary("--vocab", o.vocab, "FILE", "Word pieces as BERT has them, one a line (vocab.txt)");
  app.add_flag("--cased", o.cased, "The word pieces keep case and accents")->group("Vocabulary");
  vocabulary("--merges", o.merges, "FILE", "Byte pairs as CLIP has them (merges.txt, bpe_simple_vocab_16e6.txt.gz)");
  vocabulary("--train-vocab", o.train_vocab, "FILE",
             "Learn word pieces from these texts, write them to FILE, use them");
  vocabulary("--vocab-size", o.training.vocabulary, "N", "Word pieces to learn, at most")
      ->check(CLI::Range(std::size_t{10}, std::size_t{1} << 24))
      ->capture_default_str();
  vocabulary("--min-count", o.training.min_count, "N", "Pieces seen less often are not joined")->capture_default_str();
  vocabulary("--max-tokens", o.max_tokens, "N", "Longer texts are cut; else the model's, else 128 (byte pairs: 77)")
      ->check(CLI::Range(std::size_t{3}, kMostTokens));
  add_sequence_options(app, o.sequence);
  add_run_options(app, o.sequence.session);
  return [options] { return tokenize_text(*options); };
}

}  // namespace

Modality text_modality() {
  return {"text",
          "lines, columns of TSV and CSV, JSON lines; single texts or pairs",
          {"mt-tokenize",
           "text [options] INPUT... -o TOKENS",
           "Turn texts into tokens: word pieces or byte pairs, looked up in a table.",
           {"mt-tokenize text train.tsv --column 1 --label-column 2 --vocab vocab.txt --model b16.h5 --fit text.h5 "
            "-o train.h5",
            "mt-tokenize text test.tsv --column 1 --label-column 2 --model text.h5 -o test.h5",
            "mt-tokenize text corpus.txt --train-vocab vocab.txt --vocab-size 8000"},
           {"mt-tokenize(1)", "mt-encode(1)", "mt-inspect(1)", "mt-cat(1)"}},
          describe_text};
}

}  // namespace mt::tokenize
