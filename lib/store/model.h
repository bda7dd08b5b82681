// A model in memory: named parts, each complete with its configuration, as one model file holds them.
//
// Parts and their tensors (all shapes row-major; D width, S patch side, C channels, N patches):
//   "encoder"            blocks.{i}.norm1.weight|bias [D], blocks.{i}.attn.qkv.weight [3D, D], .bias [3D] (q, k, v),
//                        blocks.{i}.attn.proj.weight [D, D], .bias [D], blocks.{i}.norm2.weight|bias [D],
//                        blocks.{i}.mlp.fc1.weight [M, D], .bias [M], blocks.{i}.mlp.fc2.weight [D, M], .bias [D],
//                        optional norm.weight|bias [D] (final norm), optional projection [D, E] (y = x * projection)
//                        config: blocks, width, heads, mlp, eps, activation ("gelu" | "quick_gelu"), scale (of q * k),
//                        norm ("none" | "before_pooling" | "after_pooling"), pooling ("cls" | "mean"), family
//   "tokenizer/image"    patch.weight [D, C, S, S], optional patch.bias [D], optional cls [D],
//                        optional positions [N (+1 with cls), D] (cls first), optional pre_norm.weight|bias [D]
//                        config: modality, width, patch, channels, image_size [height, width] of the position grid,
//                        mean [C], std [C], eps (of pre_norm), position_resize ("antialias" | "plain"), family
//   "tokenizer/text"     vocabulary or merges, tables and norms: see tokenize/text/text_embedding.h
//   "tokenizer/tabular"  columns, statistics and categories: see tokenize/tabular/table_schema.h, tabular_embedding.h
//   "tokenizer/MODALITY" of the others: statistics, and an embedding: see tokenize/linear_embedding.h, sequence_frame.h
//   "head"               task, classes and weights of a trained head (see heads/)
//   "text"               tensors of a CLIP text tower, kept under their original names
#pragma once

#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "base/digest.h"
#include "base/tensor.h"

namespace mt {

struct Part {
  nlohmann::json config = nlohmann::json::object();
  std::map<std::string, Tensor> tensors;
  std::map<std::string, Digest>
      digests;  // of tensors' contents where a file states them; others are computed on demand

  bool has(const std::string& name) const { return tensors.contains(name); }
  const Tensor& at(const std::string& name) const;  // throws Error naming the missing tensor
};

struct Model {
  std::string source;                                    // how the user named it: "b16.h5", "random:tiny"
  nlohmann::json provenance = nlohmann::json::object();  // container, family, what was assumed, what was left out
  std::map<std::string, Part> parts;

  bool has(const std::string& name) const { return parts.contains(name); }
  const Part& part(const std::string& name) const;  // throws Error naming the parts that exist
};

// SHA-256 over configuration and tensors (names, types, shapes, contents): equal parts have equal digests wherever
// they are stored. Uses part.digests where present.
Digest digest_of(const Part& part);
Digest digest_of(const Model& model);

// Computes the digests that parts lack on all threads: one after the other they take half a second a gigabyte.
void complete_digests(Model& model);

}  // namespace mt
