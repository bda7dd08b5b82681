// Patch projection, class token, positions and pre-norm of an image tower.
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "encoder/import.h"

namespace mt {

namespace {

std::optional<std::array<std::size_t, 2>> image_size_of(const Import& job, std::size_t patches, std::size_t patch) {
  if (job.config.image_size) {
    const auto [height, width] = *job.config.image_size;
    if ((height / patch) * (width / patch) == patches) return job.config.image_size;
  }
  const auto side = static_cast<std::size_t>(std::lround(std::sqrt(static_cast<double>(patches))));
  if (side == 0 || side * side != patches) return std::nullopt;
  return {{side * patch, side * patch}};
}

// Positions with the class token's in front, and the image size that their grid belongs to.
std::array<std::size_t, 2> take_positions(Import& job, Part& part, std::size_t patch) {
  const Tensor* found = job.source.find(job.layout.positions);
  const std::size_t cls = part.has("cls") ? 1 : 0;
  const std::size_t rows =
      found == nullptr || found->shape().size() < 2 ? 0 : found->shape()[found->shape().size() - 2];
  job.take(part, "positions", job.layout.positions, {rows, job.width});
  if (!part.has("positions")) return {patch, patch};  // missing or misshapen, which require_complete tells
  if (rows > cls) {
    if (const auto size = image_size_of(job, rows - cls, patch)) return *size;
  }
  if (const auto size = image_size_of(job, rows, patch); cls == 1 && size) {
    // timm's no_embed_class: the class token has no position, which is a position of zeros.
    const Tensor none(DType::f32, {1, job.width});
    part.tensors.insert_or_assign("positions", stacked({none, part.at("positions")}));
    return *size;
  }
  throw Error(job.where, fmt::format("has {} positions, which are no square grid of patches", rows),
              "put the config.json that tells its image size beside it");
}

void set_pixel_scale(Import& job, nlohmann::json& config, std::size_t channels) {
  if (job.config.mean.size() == channels && job.config.std.size() == channels) {
    config["mean"] = job.config.mean;
    config["std"] = job.config.std;
    return;
  }
  const PixelScale& scale = job.timm_clip ? kClipScale : job.layout.scale;
  std::vector<double> mean(scale.mean.begin(), scale.mean.end()), std(scale.std.begin(), scale.std.end());
  if (channels != 3) {  // grey or multispectral: the average of the three
    mean.assign(channels, (mean[0] + mean[1] + mean[2]) / 3);
    std.assign(channels, (std[0] + std[1] + std[2]) / 3);
  }
  config["mean"] = mean;
  config["std"] = std;
  if (job.family == "openai" && channels == 3) return;  // always these
  job.assumed.push_back(
      fmt::format("mean {:.4g}, std {:.4g} ({})", fmt::join(mean, " "), fmt::join(std, " "), job.family));
  // open_clip's table: laion2b_s32b_b82k is the one L/14 that differs from OpenAI's constants.
  if (job.family == "open_clip" && job.width == 1024) {
    job.notes.emplace_back("ViT-L-14 laion2b_s32b_b82k was trained with mean and std 0.5");
  }
}

}  // namespace

void import_image_tokenizer(Import& job) {
  Part& part = job.model.parts["tokenizer/image"];
  const Tensor& patch = *job.source.find(fmt::format("{}weight", job.layout.patch));
  const Shape shape = patch.shape();
  if (shape.size() != 4 || shape[0] != job.width || shape[2] != shape[3] || shape[1] == 0 || shape[2] == 0) {
    throw Error(job.where, fmt::format("has a patch projection of {}, expected [{}, channels, side, side]",
                                       to_string(shape), job.width));
  }
  job.take(part, "patch.weight", fmt::format("{}weight", job.layout.patch), shape);
  const std::string bias = fmt::format("{}bias", job.layout.patch);
  if (job.source.has(bias)) job.take(part, "patch.bias", bias, {job.width});
  if (job.source.has(job.layout.cls)) job.take(part, "cls", job.layout.cls, {job.width});
  if (!job.layout.pre_norm.empty() && job.source.has(fmt::format("{}weight", job.layout.pre_norm))) {
    job.take_both(part, "pre_norm.", job.layout.pre_norm, {job.width}, {job.width});
  }
  const auto image_size = take_positions(job, part, shape[2]);
  part.config = {{"modality", "image"},
                 {"width", job.width},
                 {"patch", shape[2]},
                 {"channels", shape[1]},
                 {"image_size", image_size},
                 {"eps", job.eps},
                 {"position_resize", job.layout.position_resize},
                 {"family", job.family}};
  set_pixel_scale(job, part.config, shape[1]);
}

}  // namespace mt
