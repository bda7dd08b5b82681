// Nodes and edges of graphs into tokens (Kim et al., NeurIPS 2022):
//
//   y = W [P_u; P_v; numbers] + types[type] + kinds[kind];  [graph token; null token; y] -> pre_norm
//
// P are the identifiers of the ends (a node's own twice). The part "tokenizer/graph", P the width of a patch:
// patch.weight [D, P], types [3, D] (node, edge, the node in question), kinds [N, D] as GraphTokenization counts them,
// and the frame (sequence_frame.h), whose cls holds the graph and null tokens. Configuration: embedding "graph", width
// D, and what patchify needs (graph_samples.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "layers/linear.h"
#include "layers/lookup.h"
#include "layers/trainable_linear.h"
#include "tokenize/sequence_frame.h"
#include "tokenize/token_embedding.h"

namespace mt {

class GraphEmbedding : public TokenEmbedding {
 public:
  explicit GraphEmbedding(const Part& part);  // throws Error: missing tensors, shapes that do not fit each other

  std::size_t width() const override { return projection_.outputs(); }
  std::size_t prefix() const override { return frame_.prefix(); }
  bool has_positions() const override { return true; }  // the identifiers are
  void require(const PatchRows& in, std::size_t sequence) const override;
  Tensor forward(const PatchRows& in) const override;
  void backward(const PatchRows& in, const Tensor& dy, ThreadPool& pool) override;
  std::vector<Parameter*> parameters() override;
  void parameters_changed() override;
  void store(Part& part) const override;

 private:
  template <class Self>
  static auto parameters_of(Self& self);
  Tensor bare_tokens(const PatchRows& in) const;

  TrainableLinear projection_;  // its bias is zeros that never learn
  Lookup types_, kinds_;
  SequenceFrame frame_;
  std::shared_ptr<const Linear> packed_;  // the same numbers: a row's bytes then depend on nothing but the row
};

// Adds an embedding that nobody has trained to a part with the settings of graph_samples.h: types and kinds from
// N(0, 0.5^2), the projection from N(0, 1 / P), a pre-norm of gain 1. Equal arguments give equal tensors.
void add_initial_graph_embedding(Part& part, std::size_t width, std::uint64_t seed);

}  // namespace mt
