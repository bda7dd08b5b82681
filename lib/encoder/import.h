// One import in progress: what the steps of key_maps.cpp hand on to each other.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "encoder/checkpoint_config.h"
#include "encoder/key_layouts.h"
#include "encoder/model_source.h"
#include "encoder/tensor_source.h"
#include "store/model.h"

namespace mt {

struct Import {
  const KeyLayout& layout;
  TensorSource source;
  CheckpointConfig config;
  const ModelOverrides& overrides;
  std::string where, container;
  std::string base;  // the prefix of the whole model, of which the tower with source.prefix() is a part

  // Read off the shapes.
  std::size_t width = 0, blocks = 0, mlp = 0;
  bool has_tokenizer = false;
  bool timm_clip = false;  // timm's CLIP variants, which differ from its other models in eps and pixel scale

  // Decided by settle().
  std::string family = {}, activation = {};
  std::size_t heads = 0;
  double eps = 0, scale = 0;

  Model model = {};
  std::vector<std::string> assumed = {}, notes = {}, left_out = {};  // told and kept in the model's provenance

  // Moves one tensor into a part; what is missing or misshapen is remembered by source.
  void take(Part& part, const std::string& ours, std::string_view theirs, const Shape& shape);
  // weight and bias behind both stems.
  void take_both(Part& part, const std::string& ours, std::string_view theirs, const Shape& weight, const Shape& bias);
  std::string block_name(std::size_t block, std::string_view rest) const;
};

// "blocks.11.norm1.weight" -> 11, where blocks are named "blocks." + number + "."; -1: not of a block.
int block_of(std::string_view name, const BlockKeys& keys);
// Rows of all parts, one after the other.
Tensor stacked(const std::vector<Tensor>& parts);

void measure(Import& job);         // width, blocks, mlp, has_tokenizer, timm_clip
void settle(Import& job);          // family, heads, eps, activation, scale
void import_encoder(Import& job);  // blocks, final norm, projection
void import_image_tokenizer(Import& job);
void import_text_tower(Import& job);  // a CLIP model's, under its own names
// Throws Error when a tensor stays behind that belongs to an architecture we lack; notes the others. warnings: of
// these, the names of which nothing is known.
std::vector<std::string> account_for_rest(Import& job);

}  // namespace mt
