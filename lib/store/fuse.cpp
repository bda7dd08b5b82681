#include "store/fuse.h"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "store/file_reader.h"

namespace mt {

namespace {

constexpr std::size_t kIdsAtOnce = std::size_t{1} << 16;

const SampleFile& file_of(const SampleReader& reader, const std::string& name) {
  const auto* file = dynamic_cast<const FileReader*>(&reader);
  if (file == nullptr)
    throw Error(name, "is a stream, in which samples cannot be looked up", "save it as a file first");
  return file->file();
}

void require_fusible(const Schema& schema, const Schema& first, const std::string& name) {
  if (schema.kind != Kind::tokens) {
    throw Error(name, fmt::format("holds {}, what is fused is tokens", name_of(schema.kind)), "fuse before mt-encode");
  }
  const auto refuse = [&](const std::string& why, const char* remedy) { throw Error(name, why, remedy); };
  if (schema.width != first.width || schema.dtype != first.dtype) {
    refuse(fmt::format("its tokens are {} {} wide, those of the first file {} {}", name_of(schema.dtype), schema.width,
                       name_of(first.dtype), first.width),
           "tokenize all for the same encoder");
  }
  if (schema.positions != first.positions) {
    refuse(schema.positions ? "has positions, the first file has none" : "has no positions, the first file has them",
           "tokenize both with positions");
  }
  if (schema.pre_norm != first.pre_norm)
    refuse("the pre-norm is applied in one of the files only", "tokenize both for the same encoder");
}

// Where a file has each sample, or why it has not.
struct Lookup {
  std::unordered_map<std::string, std::size_t> position;
  std::unordered_map<std::string, std::string> rejected;  // id: reason

  Lookup(const SampleFile& file, const std::string& name) {
    for (std::size_t begin = 0; begin < file.samples(); begin += kIdsAtOnce) {
      std::size_t at = begin;
      for (std::string& id : file.ids(begin, std::min(file.samples(), begin + kIdsAtOnce))) {
        const auto [entry, fresh] = position.emplace(std::move(id), at++);
        if (!fresh) throw Error(name, fmt::format("has the id \"{}\" twice", printable(entry->first)));
      }
    }
    for (Rejected& one : file.rejected(0, file.rejected_count())) rejected.emplace(one.id, std::move(one.reason));
  }
};

class FusedReader final : public SampleReader {
 public:
  FusedReader(const std::vector<std::string>& names, FuseOptions options) : names_(names) {
    for (const std::string& name : names_) {
      readers_.push_back(SampleReader::open(name));
      file_of(*readers_.back(), name);
      require_fusible(readers_.back()->schema(), readers_[0]->schema(), name);
    }
    lookups_.emplace_back();
    for (std::size_t f = 1; f < files(); ++f)
      lookups_.emplace_back(Lookup(file_of(*readers_[f], names_[f]), names_[f]));
    choose_columns();
    count_samples(options);
  }

  const Schema& schema() const override { return schema_; }
  std::optional<std::int64_t> samples() const override { return samples_; }
  std::optional<std::int64_t> rows() const override { return std::nullopt; }
  bool seekable() const override { return false; }
  Batch read(std::size_t, std::size_t) override { throw std::logic_error("fused samples have no random access"); }
  std::vector<std::int64_t> offsets(std::size_t, std::size_t) override {
    throw std::logic_error("fused samples have no random access");
  }
  std::vector<std::int32_t> labels() override { throw std::logic_error("fused samples have no random access"); }
  Digest inputs() const override { return joint_inputs(readers_); }

  std::optional<Batch> next(std::size_t max_rows, std::size_t max_samples) override {
    auto base = readers_[0]->next(std::max<std::size_t>(1, max_rows / files()), max_samples);
    if (!base) return std::nullopt;
    return fused(std::move(*base));
  }

 private:
  // A sample's rows in the batch that was read of a file.
  struct Piece {
    const Batch* batch = nullptr;
    std::size_t sample = 0;
  };

  std::size_t files() const { return names_.size(); }
  const Schema& schema_of(std::size_t f) const { return readers_[f]->schema(); }

  void choose_columns() {
    schema_ = schema_of(0);
    nlohmann::json configs = nlohmann::json::array();
    std::string modalities;
    const auto first_with = [&](const auto& has) {
      for (std::size_t f = 0; f < files(); ++f) {
        if (has(schema_of(f))) return f;
      }
      return std::size_t{0};
    };
    const auto all = [&](const auto& has) {
      return std::all_of(readers_.begin(), readers_.end(), [&](const auto& reader) { return has(reader->schema()); });
    };
    for (std::size_t f = 0; f < files(); ++f) {
      configs.push_back(schema_of(f).config);
      modalities += (f == 0 ? "" : "+") + schema_of(f).modality;
    }
    prefixed_ = first_with([](const Schema& s) { return s.prefix > 0; });
    labelled_ = first_with([](const Schema& s) { return s.has_labels; });
    targeted_ = first_with([](const Schema& s) { return s.target_width > 0; });
    numbered_ = first_with([](const Schema& s) { return s.number_width > 0; });
    schema_.modality = modalities;
    schema_.config = {{"fused", std::move(configs)}};
    schema_.prefix = schema_of(prefixed_).prefix;
    schema_.has_labels = schema_of(labelled_).has_labels;
    schema_.label_names = schema_of(labelled_).label_names;
    schema_.target_width = schema_of(targeted_).target_width;
    schema_.target_names = schema_of(targeted_).target_names;
    schema_.number_width = schema_of(numbered_).number_width;
    schema_.number_names = schema_of(numbered_).number_names;
    schema_.has_centers = all([](const Schema& s) { return s.has_centers; });
    schema_.has_token_labels = all([](const Schema& s) { return s.has_token_labels; });
    schema_.has_grid = schema_.has_boxes = false;
    schema_.ragged = true;
    if (!all([&](const Schema& s) { return s.source == schema_.source; })) schema_.source.clear();
  }

  // Which file lacks the sample: nullopt, none.
  std::optional<std::size_t> lacking(const std::string& id) const {
    for (std::size_t f = 1; f < files(); ++f) {
      if (!lookups_[f]->position.contains(id)) return f;
    }
    return std::nullopt;
  }

  void count_samples(FuseOptions options) {
    const SampleFile& first = file_of(*readers_[0], names_[0]);
    for (std::size_t begin = 0; begin < first.samples(); begin += kIdsAtOnce) {
      for (const std::string& id : first.ids(begin, std::min(first.samples(), begin + kIdsAtOnce))) {
        const auto file = lacking(id);
        if (!file) ++samples_;
        if (!file || options.allow_missing || lookups_[*file]->rejected.contains(id)) continue;
        throw Error(names_[*file], fmt::format("lacks the sample \"{}\" of {}", printable(id), names_[0]),
                    "tokenize with --ids stem, if only extensions differ; --allow-missing takes what all have");
      }
    }
    if (samples_ == 0 && first.samples() > 0)
      throw Error(names_[0], "has no sample that all the other files have too",
                  "tokenize with --ids stem, if only extensions differ");
  }

  std::string reason(const std::string& id, std::size_t file) const {
    const auto found = lookups_[file]->rejected.find(id);
    return found == lookups_[file]->rejected.end() ? fmt::format("{} lacks it", names_[file])
                                                   : fmt::format("{}: {}", names_[file], found->second);
  }

  Batch fused(Batch base) {
    Batch out;
    out.rejected = std::move(base.rejected);
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < base.samples(); ++i) {
      if (const auto file = lacking(base.ids[i])) {
        out.rejected.push_back({base.ids[i], base.index[i], reason(base.ids[i], *file), {}});
      } else {
        kept.push_back(i);
      }
    }
    std::sort(out.rejected.begin(), out.rejected.end(),
              [](const Rejected& a, const Rejected& b) { return a.index < b.index; });
    if (kept.empty()) return out;

    // Samples that follow each other in a file are read at once.
    std::vector<std::vector<Batch>> read(files());
    std::vector<std::vector<Piece>> pieces(files());
    for (const std::size_t i : kept) pieces[0].push_back({&base, i});
    for (std::size_t f = 1; f < files(); ++f) {
      read[f].reserve(kept.size());
      const auto place = [&](std::size_t k) { return lookups_[f]->position.at(base.ids[kept[k]]); };
      for (std::size_t k = 0; k < kept.size();) {
        std::size_t end = k + 1;
        while (end < kept.size() && place(end) == place(k) + end - k) ++end;
        read[f].push_back(readers_[f]->read(place(k), place(k) + end - k));
        for (std::size_t j = k; j < end; ++j) pieces[f].push_back({&read[f].back(), j - k});
        k = end;
      }
    }
    assemble(pieces, out);
    return out;
  }

  void assemble(const std::vector<std::vector<Piece>>& pieces, Batch& out) const {
    out.rows = Tensor(schema_.dtype, {0, schema_.width});
    if (schema_.has_centers) out.centers = Tensor(DType::f32, {0, 3});
    if (schema_.target_width > 0) out.targets = Tensor(DType::f32, {0, schema_.target_width});
    if (schema_.number_width > 0) out.numbers = Tensor(DType::f32, {0, schema_.number_width});
    out.offsets = {0};
    for (std::size_t k = 0; k < pieces[0].size(); ++k) {
      const auto [base, sample] = pieces[0][k];
      out.ids.push_back(base->ids[sample]);
      out.index.push_back(base->index[sample]);
      append_part(pieces[prefixed_][k], 0, schema_.prefix, out);
      for (std::size_t f = 0; f < files(); ++f) append_part(pieces[f][k], schema_of(f).prefix, std::nullopt, out);
      out.offsets.push_back(static_cast<std::int64_t>(out.rows.rows()));
      if (schema_.has_labels) out.labels.push_back(label_of(pieces, k));
      if (schema_.target_width > 0) {
        const Piece& piece = pieces[targeted_][k];
        append_rows(out.targets, piece.batch->targets, piece.sample, piece.sample + 1);
      }
      if (schema_.number_width > 0) {
        const Piece& piece = pieces[numbered_][k];
        append_rows(out.numbers, piece.batch->numbers, piece.sample, piece.sample + 1);
      }
    }
  }

  // Rows of a sequence from the one with this number, to its end or to that one.
  void append_part(const Piece& piece, std::size_t from, std::optional<std::size_t> to, Batch& out) const {
    const Batch& batch = *piece.batch;
    const std::size_t first = batch.row_begin(piece.sample), last = batch.row_end(piece.sample);
    const std::size_t begin = std::min(last, first + from), end = to ? std::min(last, first + *to) : last;
    append_rows(out.rows, batch.rows, begin, end);
    if (schema_.has_centers) append_rows(out.centers, batch.centers, begin, end);
    if (schema_.has_token_labels) {
      const auto at = [&](std::size_t row) { return batch.token_labels.begin() + static_cast<std::ptrdiff_t>(row); };
      out.token_labels.insert(out.token_labels.end(), at(begin), at(end));
    }
  }

  std::int32_t label_of(const std::vector<std::vector<Piece>>& pieces, std::size_t k) const {
    const auto named = [&](std::size_t f) -> const std::string* {
      const Piece& piece = pieces[f][k];
      if (!schema_of(f).has_labels || piece.batch->labels[piece.sample] < 0) return nullptr;
      return &schema_of(f).label_names.at(static_cast<std::size_t>(piece.batch->labels[piece.sample]));
    };
    const std::string* const name = named(labelled_);
    for (std::size_t f = labelled_ + 1; f < files(); ++f) {
      const std::string* const other = named(f);
      if (name == nullptr || other == nullptr || *name == *other) continue;
      throw Error(names_[f], fmt::format("\"{}\" is of class \"{}\" there, of class \"{}\" in {}",
                                         printable(pieces[0][k].batch->ids[pieces[0][k].sample]), printable(*other),
                                         printable(*name), names_[labelled_]));
    }
    const Piece& piece = pieces[labelled_][k];
    return piece.batch->labels[piece.sample];
  }

  std::vector<std::string> names_;
  std::vector<std::unique_ptr<SampleReader>> readers_;
  std::vector<std::optional<Lookup>> lookups_;  // of the first: none
  Schema schema_;
  std::size_t prefixed_ = 0, labelled_ = 0, targeted_ = 0, numbered_ = 0;  // the files that give these
  std::int64_t samples_ = 0;
};

}  // namespace

std::unique_ptr<SampleReader> fuse_samples(const std::vector<std::string>& names, FuseOptions options) {
  if (names.size() < 2) throw UsageError("--fuse", "joins several files", "name one for each modality");
  return std::make_unique<FusedReader>(names, options);
}

}  // namespace mt
