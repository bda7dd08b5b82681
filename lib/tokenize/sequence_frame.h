// What stands around the tokens of every modality: [class tokens; rows] + positions, then a pre-norm.
//
// Tensors of the part, each optional: cls [D] or [prefix, D]; positions [places (+ prefix), D], prefix first;
// pre_norm.weight|bias [D]. Configuration: eps (of pre_norm, 1e-5); position_grid [time, rows, columns], when positions
// belong to a grid: a sample's grid may then be smaller, and lies in the table's first corner; positions "sinusoid" for
// fixed sines and cosines (Vaswani et al., 2017), which count from the first row behind the prefix and have no end.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "layers/trainable_layer_norm.h"
#include "tokenize/token_embedding.h"

namespace mt {

class SequenceFrame {
 public:
  // Throws Error: shapes that do not fit the width or each other.
  SequenceFrame(const Part& part, std::size_t width);

  std::size_t width() const { return width_; }
  std::size_t prefix() const { return prefix_; }
  bool has_positions() const { return sinusoid_ || !positions_.value.empty(); }

  // Throws Error when the sequence does not fit the positions.
  void require(const PatchRows& in, std::size_t sequence) const;

  // rows: [sum of T, width]. Gives [sum of (T + prefix), width].
  Tensor forward(const Tensor& rows, const PatchRows& in) const;
  // rows: what forward was given; dy: like forward's result. Overwrites drows [sum of T, width]; adds to the gradients
  // of the parameters that learn.
  void backward(const Tensor& rows, const PatchRows& in, const Tensor& dy, Tensor& drows);

  std::vector<Parameter*> parameters();
  std::vector<const Parameter*> parameters() const;

 private:
  template <class Self>
  static auto parameters_of(Self& self);
  std::size_t place_of(const PatchRows& in, std::size_t sequence, std::size_t t) const;
  Tensor framed(const Tensor& rows, const PatchRows& in) const;
  std::shared_ptr<const Tensor> sinusoid(std::size_t places) const;

  std::string where_;
  std::size_t width_, prefix_ = 0;
  bool sinusoid_ = false;
  std::optional<std::vector<std::size_t>> grid_;  // time, rows, columns of the positions
  Parameter cls_, positions_;
  std::optional<TrainableLayerNorm> pre_norm_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Tensor> sines_;  // [places so far, width]
};

// Adds the frame of a tokenizer that nobody has trained: a cls of `prefix` rows from N(0, 1) and learned positions of
// `places` rows from the same (0: none). Equal arguments give equal tensors.
void add_initial_frame(Part& part, std::size_t width, std::size_t prefix, std::size_t places, std::uint64_t seed);

}  // namespace mt
