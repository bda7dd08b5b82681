// What keys cannot tell: from the user, else from the JSON beside the checkpoint, else from the family.
#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "encoder/import.h"

namespace mt {

namespace {

// Widths whose heads are not 64 wide: timm's and open_clip's So400m, H, g and bigG.
constexpr std::pair<std::size_t, std::size_t> kOtherHeads[] = {{1152, 16}, {1280, 16}, {1408, 16}, {1664, 16}};
constexpr int kMaxBlocks = 1000;

// OpenAI's files say so by three sizes among their tensors, or by being script archives.
bool is_openai(const Import& job) {
  if (job.layout.family != "open_clip") return false;
  const auto& all = job.source.rest();
  return job.container == "torchscript" || all.contains(job.base + "input_resolution") ||
         all.contains(job.base + "context_length");
}

bool has_image_tokenizer(Import& job) {
  if (job.layout.patch.empty()) return false;
  const Tensor* patch = job.source.find(fmt::format("{}weight", job.layout.patch));
  if (patch == nullptr) return false;
  if (patch->shape().size() == 5) {
    const std::string stem = fmt::format("{}{}", job.source.prefix(), job.layout.patch);
    job.left_out.push_back(stem + "* (a tokenizer of video)");
    for (const char* end : {"weight", "bias"}) job.source.rest().erase(stem + end);
    return false;
  }
  return true;
}

std::size_t usual_heads(std::size_t width) {
  for (const auto& [other, heads] : kOtherHeads) {
    if (other == width) return heads;
  }
  return width % 64 == 0 ? width / 64 : 0;
}

std::size_t settle_heads(Import& job) {
  std::size_t heads = job.overrides.heads.value_or(job.config.heads.value_or(0));
  if (!job.overrides.heads && !job.config.heads) {
    heads = usual_heads(job.width);
    if (heads == 0) {
      throw Error(job.where, fmt::format("is {} wide and does not say how many attention heads it has", job.width),
                  "give --heads");
    }
    job.assumed.push_back(fmt::format("heads {} ({} wide each)", heads, job.width / heads));
  }
  if (heads == 0 || job.width % heads != 0) {
    throw Error(job.where, fmt::format("is {} wide, which {} heads do not divide", job.width, heads),
                "give another --heads");
  }
  return heads;
}

std::string settle_activation(Import& job, bool openai) {
  if (job.overrides.activation) return *job.overrides.activation;
  if (openai) return "quick_gelu";
  if (job.config.activation) return *job.config.activation;
  job.assumed.push_back(fmt::format("activation {} ({})", job.layout.activation, job.family));
  return std::string(job.layout.activation);
}

double settle_eps(Import& job) {
  if (job.overrides.eps) return *job.overrides.eps;
  if (job.config.eps) return *job.config.eps;
  const double eps = job.timm_clip ? 1e-5 : job.layout.eps;
  job.assumed.push_back(fmt::format("eps {} ({})", eps, job.family));
  return eps;
}

}  // namespace

void measure(Import& job) {
  const BlockKeys& keys = job.layout.block;
  const std::string name = job.block_name(0, fmt::format("{}weight", keys.qkv.empty() ? keys.separate[0] : keys.qkv));
  const Tensor* first = job.source.find(name);
  if (first == nullptr || first->shape().size() != 2 || first->columns() == 0) {
    throw Error(job.where, fmt::format("lacks a matrix {}{}", job.source.prefix(), name),
                "see its tensors with mt-inspect");
  }
  job.width = first->columns();
  int last = 0;
  for (const auto& [full, tensor] : job.source.rest()) {
    if (!full.starts_with(job.source.prefix())) continue;
    last = std::max(last, block_of(std::string_view(full).substr(job.source.prefix().size()), keys));
  }
  if (last >= kMaxBlocks) throw Error(job.where, fmt::format("has a block {}, at most {} are read", last, kMaxBlocks));
  job.blocks = static_cast<std::size_t>(last) + 1;
  const Tensor* fc1 = job.source.find(job.block_name(0, fmt::format("{}weight", keys.fc1)));
  job.mlp = fc1 != nullptr ? fc1->rows() : 4 * job.width;
  job.has_tokenizer = has_image_tokenizer(job);
  job.timm_clip = job.layout.family == "timm" && job.source.has(fmt::format("{}weight", job.layout.pre_norm));
}

void settle(Import& job) {
  const bool openai = is_openai(job);
  job.family = openai ? "openai" : std::string(job.layout.family);
  job.heads = settle_heads(job);
  job.eps = settle_eps(job);
  job.activation = settle_activation(job, openai);
  if (job.activation != "gelu" && job.activation != "quick_gelu") {
    throw Error(job.where, fmt::format("was trained with activation \"{}\", which is not supported", job.activation),
                "--activation gelu may come close");
  }
  job.scale = job.overrides.scale.value_or(1 / std::sqrt(static_cast<double>(job.width / job.heads)));
}

}  // namespace mt
