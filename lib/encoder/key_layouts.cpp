#include "encoder/key_layouts.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

// Sources: the libraries themselves (tests/reference/make_checkpoints.py saves one file of each); eps and pixel scales
// from their model definitions. timm's AugReg models use 0.5; its CLIP variants are told apart by norm_pre.
KeyLayout timm() {
  KeyLayout layout;
  layout.family = "timm";
  layout.block = {"blocks.", ".", "norm1.", "attn.qkv.", {}, "attn.proj.", "norm2.", "mlp.fc1.", "mlp.fc2."};
  layout.patch = "patch_embed.proj.";
  layout.cls = "cls_token";
  layout.positions = "pos_embed";
  layout.pre_norm = "norm_pre.";
  layout.norm = "norm.";
  layout.pooled_norm = "fc_norm.";
  layout.eps = 1e-6;
  layout.scale = kHalfScale;
  layout.harmless = {"head.", "head_drop", "fc.", "classifier.", "pre_logits.", "mask_token", "decoder", "last_layer"};
  return layout;
}

// The released encoders: timm blocks in a torch.nn.Sequential, built with PyTorch's default LayerNorm.
KeyLayout meta_transformer() {
  KeyLayout layout;
  layout.family = "meta-transformer";
  layout.block = timm().block;
  layout.block.prefix = "";
  layout.norm = "norm.";
  layout.eps = 1e-5;
  layout.harmless = {"head."};
  return layout;
}

KeyLayout open_clip() {
  KeyLayout layout;
  layout.family = "open_clip";
  layout.block = {"transformer.resblocks.", ".",     "ln_1.",     "attn.in_proj_", {},
                  "attn.out_proj.",         "ln_2.", "mlp.c_fc.", "mlp.c_proj."};
  layout.patch = "conv1.";
  layout.cls = "class_embedding";
  layout.positions = "positional_embedding";
  layout.pre_norm = "ln_pre.";
  layout.norm = "ln_post.";
  layout.projection = "proj";
  layout.tower = "visual.";
  return layout;
}

KeyLayout hugging_face_clip() {
  KeyLayout layout;
  layout.family = "hf_clip";
  layout.block = {"encoder.layers.",
                  ".",
                  "layer_norm1.",
                  "",
                  {"self_attn.q_proj.", "self_attn.k_proj.", "self_attn.v_proj."},
                  "self_attn.out_proj.",
                  "layer_norm2.",
                  "mlp.fc1.",
                  "mlp.fc2."};
  layout.patch = "embeddings.patch_embedding.";
  layout.cls = "embeddings.class_embedding";
  layout.positions = "embeddings.position_embedding.weight";
  layout.pre_norm = "pre_layrnorm.";  // sic
  layout.norm = "post_layernorm.";
  layout.linear_projection = "visual_projection.weight";
  layout.tower = "vision_model.";
  layout.activation = "quick_gelu";  // the library's default, which OpenAI's conversions rely on
  layout.position_resize = "plain";
  layout.harmless = {"embeddings.position_ids"};
  return layout;
}

KeyLayout hugging_face_vit() {
  KeyLayout layout;
  layout.family = "hf_vit";
  layout.block = {"encoder.layer.",
                  ".",
                  "layernorm_before.",
                  "",
                  {"attention.attention.query.", "attention.attention.key.", "attention.attention.value."},
                  "attention.output.dense.",
                  "layernorm_after.",
                  "intermediate.dense.",
                  "output.dense."};
  layout.patch = "embeddings.patch_embeddings.projection.";
  layout.cls = "embeddings.cls_token";
  layout.positions = "embeddings.position_embeddings";
  layout.norm = "layernorm.";
  layout.eps = 1e-12;
  layout.scale = kHalfScale;
  layout.position_resize = "plain";
  layout.harmless = {"pooler.", "embeddings.mask_token", "classifier."};
  return layout;
}

// The names in memory since transformers 5, which torch.save(model.state_dict()) writes.
KeyLayout hugging_face_vit5() {
  KeyLayout layout = hugging_face_vit();
  layout.block = {"layers.",
                  ".",
                  "layernorm_before.",
                  "",
                  {"attention.q_proj.", "attention.k_proj.", "attention.v_proj."},
                  "attention.o_proj.",
                  "layernorm_after.",
                  "mlp.fc1.",
                  "mlp.fc2."};
  return layout;
}

KeyLayout torchvision() {
  KeyLayout layout;
  layout.family = "torchvision";
  layout.block = {"encoder.layers.encoder_layer_",
                  ".",
                  "ln_1.",
                  "self_attention.in_proj_",
                  {},
                  "self_attention.out_proj.",
                  "ln_2.",
                  "mlp.0.",
                  "mlp.3."};
  layout.patch = "conv_proj.";
  layout.cls = "class_token";
  layout.positions = "encoder.pos_embedding";
  layout.norm = "encoder.ln.";
  layout.eps = 1e-6;
  layout.scale = kImageNetScale;
  layout.harmless = {"heads."};
  return layout;
}

// The files on PyTorch's server still have the names of the first version.
KeyLayout first_torchvision() {
  KeyLayout layout = torchvision();
  layout.block.fc1 = layout.anchor = "mlp.linear_1.";
  layout.block.fc2 = "mlp.linear_2.";
  return layout;
}

// The name by which the first block is found.
std::string anchor_of(const KeyLayout& layout) {
  const BlockKeys& block = layout.block;
  const std::string_view usual = block.qkv.empty() ? block.separate[0] : block.qkv;
  return fmt::format("{}0{}{}weight", block.prefix, block.infix, layout.anchor.empty() ? usual : layout.anchor);
}

std::vector<std::string> prefixes_of(const KeyLayout& layout, const std::map<std::string, Tensor>& tensors) {
  const std::string anchor = anchor_of(layout);
  std::vector<std::string> prefixes;
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(anchor)) continue;
    const std::string prefix = name.substr(0, name.size() - anchor.size());
    if (prefix.empty() || prefix.ends_with('.')) prefixes.push_back(prefix);
  }
  return prefixes;
}

template <class Predicate>
void prefer(std::vector<std::string>& prefixes, Predicate wanted) {
  std::vector<std::string> kept;
  std::copy_if(prefixes.begin(), prefixes.end(), std::back_inserter(kept), wanted);
  if (!kept.empty()) prefixes = std::move(kept);
}

}  // namespace

const std::vector<KeyLayout>& key_layouts() {
  // The blocks of Meta-Transformer are timm's without the word "blocks", so timm is asked first.
  static const std::vector<KeyLayout> layouts = {
      open_clip(), hugging_face_clip(), hugging_face_vit(), hugging_face_vit5(), first_torchvision(), torchvision(),
      timm(),      meta_transformer()};
  return layouts;
}

Recognised recognise(const std::map<std::string, Tensor>& tensors, const std::string& source) {
  for (const KeyLayout& layout : key_layouts()) {
    std::vector<std::string> prefixes = prefixes_of(layout, tensors);
    std::erase_if(prefixes, [](const std::string& prefix) {
      return prefix.ends_with("text_model.") || prefix.ends_with("text.");
    });
    if (prefixes.empty()) continue;
    // A tower with an image tokenizer is meant, rather than a text tower; averaged copies of the weights are not.
    prefer(prefixes, [&](const std::string& prefix) {
      return !layout.patch.empty() && tensors.contains(fmt::format("{}{}weight", prefix, layout.patch));
    });
    prefer(prefixes, [](const std::string& prefix) { return prefix.find("ema") == std::string::npos; });
    if (prefixes.size() > 1) {
      throw Error(source, fmt::format("holds several encoders: {}", listed(prefixes)), "save one of them alone");
    }
    if (layout.family == "open_clip" && tensors.contains(prefixes[0] + "token_embedding.weight")) {
      throw Error(source, "holds a CLIP text tower but no vision transformer", "ResNet image towers are not supported");
    }
    return {&layout, prefixes[0]};
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  throw Error(source, fmt::format("holds {} tensors of no known family ({})", names.size(), listed(names, 3)),
              "known are Meta-Transformer, timm ViT, open_clip, OpenAI CLIP, Hugging Face ViT and CLIP, torchvision");
}

}  // namespace mt
