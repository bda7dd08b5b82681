// Columns of a row into tokens.
//
//   a number x in column c:   y = x weight[n] + columns[c]     (n counts the numeric columns)
//   anything else:            y = entries[e] + columns[c]      (a category, unknown or missing)
//
// within a frame (sequence_frame.h). The part: entries [E, D]; weight [N, D] where there are numeric columns that make
// tokens; optional columns [C, D]; besides what table_schema.h names. Configuration: embedding "tabular", width D.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "layers/lookup.h"
#include "tokenize/sequence_frame.h"
#include "tokenize/token_embedding.h"

namespace mt {

// Patches [number], codes [entry (-1: a number), column].
class TabularEmbedding : public TokenEmbedding {
 public:
  explicit TabularEmbedding(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

  std::size_t width() const override { return entries_.width(); }
  std::size_t prefix() const override { return frame_.prefix(); }
  bool has_positions() const override { return true; }  // every column has entries or weights of its own
  void require(const PatchRows& in, std::size_t sequence) const override;
  Tensor forward(const PatchRows& in) const override;
  void backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) override;
  std::vector<Parameter*> parameters() override;
  void store(Part& part) const override;

 private:
  template <class Self>
  static auto parameters_of(Self& self);
  Tensor embedded(const PatchRows& in) const;

  Lookup entries_;
  std::optional<Lookup> columns_;
  Parameter weight_;                      // [N, D]
  std::vector<std::int32_t> weight_row_;  // of each column; -1: categorical
  SequenceFrame frame_;
};

// Adds an embedding that nobody has trained to a part that has its schema: entries and columns from N(0, 1/4) each,
// weights from N(0, 1/2), so that tokens have variance 1/2 however they come about; a cls. With bypass_numeric neither
// columns nor cls, as the original has it. Equal arguments give equal tensors.
void add_initial_tabular_embedding(Part& part, std::size_t width, std::uint64_t seed);

}  // namespace mt
