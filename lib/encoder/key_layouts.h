// How the families that we import name their tensors, and what their keys cannot tell.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.h"

namespace mt {

// Scaling of pixels: (value - mean) / std, channels red, green, blue.
struct PixelScale {
  std::array<double, 3> mean, std;
};
inline constexpr PixelScale kClipScale = {{0.48145466, 0.4578275, 0.40821073}, {0.26862954, 0.26130258, 0.27577711}};
inline constexpr PixelScale kImageNetScale = {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
inline constexpr PixelScale kHalfScale = {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};

// Stems: "weight" or "bias" is appended. Empty: the family has no such tensor.
struct BlockKeys {
  std::string_view prefix, infix;            // block i is prefix + i + infix: "blocks." and "."
  std::string_view norm1, qkv;               // qkv: one matrix [3D, D], rows q, k, v
  std::array<std::string_view, 3> separate;  // or three of [D, D]
  std::string_view proj, norm2, fc1, fc2;
};

struct KeyLayout {
  std::string_view family;
  std::string_view anchor;  // stem of a block by which the family is recognised; empty: qkv, or the first of separate
  BlockKeys block;
  std::string_view patch, cls, positions, pre_norm;  // cls and positions are whole names
  std::string_view norm, pooled_norm;                // final norm; the one that follows mean pooling
  std::string_view projection;                       // whole name, [D, E]
  std::string_view linear_projection;                // whole name beside the tower, [E, D]
  std::string_view tower;                            // what the tower's prefix ends with in a model with a text tower
  double eps = 1e-5;
  std::string_view activation = "gelu";
  PixelScale scale = kClipScale;
  std::string_view position_resize = "antialias";
  std::vector<std::string_view> harmless;  // starts of names that features do not need: heads, poolers
};

// Meta-Transformer, timm, open_clip (and OpenAI), Hugging Face ViT in both spellings and CLIP, torchvision.
const std::vector<KeyLayout>& key_layouts();

struct Recognised {
  const KeyLayout* layout = nullptr;
  std::string prefix;  // of all names of the tower: "", "module.visual.", "vit."
};
// Throws Error: no family fits, or several towers do and none stands out.
Recognised recognise(const std::map<std::string, Tensor>& tensors, const std::string& source);

}  // namespace mt
