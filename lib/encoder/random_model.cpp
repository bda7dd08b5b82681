#include "encoder/random_model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "encoder/key_layouts.h"

namespace mt {

namespace {

struct Size {
  std::string_view name;
  std::size_t blocks, width, heads, patch;
  PixelScale scale;
};
// The published sizes, and two small ones in their proportions. L14's LAION-2B original was trained with mean and std
// 0.5.
constexpr Size kSizes[] = {{"tiny", 6, 192, 3, 16, kClipScale},
                           {"small", 12, 384, 6, 16, kClipScale},
                           {"b16", 12, 768, 12, 16, kClipScale},
                           {"l14", 24, 1024, 16, 14, kHalfScale}};
constexpr std::size_t kImageSize = 224, kChannels = 3;
constexpr double kEps = 1e-5;

// Weights have deviation 1/sqrt(inputs), which keeps the variance of a product's inputs; positions and class token
// stand out twice as far as the patches. Measured by a ridge regression on the features of 600 Fashion-MNIST images at
// 224 pixels, scored on 400 others (raw pixels: 79 %): tiny 78 % from the class token and 78 % from the mean, small 78
// and 79 %. What hurts: deviation 0.02 everywhere, as before a training (62 and 59 %), positions of 0.02 (60 and 62 %),
// and queries and keys twice as large, whose attention jumps from token to token (58 and 66 %).
constexpr double kTokenDeviation = 2;

// Uniform with that deviation, four values a counter: a normal distribution would take ten times as long, and sums of
// hundreds of products cannot tell the two apart. Keyed by the tensor's name, so that order and threads do not matter.
Tensor uniform(std::string_view name, Shape shape, double deviation, std::uint64_t seed) {
  Tensor tensor(DType::f32, std::move(shape));
  const auto values = tensor.as<float>();
  const std::uint64_t stream = stream_of(name);
  const auto step = static_cast<float>(deviation * std::sqrt(3.0) * 0x1p-31);
  const std::array<std::uint32_t, 2> key = {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const std::uint64_t block = i / 4;
    const auto bits = philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                              static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                             key);
    for (std::size_t k = 0; k < std::min<std::size_t>(4, values.size() - i); ++k) {
      values[i + k] = static_cast<float>(static_cast<std::int32_t>(bits[k])) * step;
    }
  }
  return tensor;
}

class Builder {
 public:
  Builder(Part& part, std::string prefix, std::uint64_t seed) : part_(part), prefix_(std::move(prefix)), seed_(seed) {}

  void weight(const std::string& name, Shape shape, double deviation) {
    part_.tensors.emplace(name, uniform(prefix_ + name, std::move(shape), deviation, seed_));
  }
  void norm(const std::string& name, std::size_t width) {
    Tensor ones(DType::f32, {width});
    std::ranges::fill(ones.as<float>(), 1.0F);
    part_.tensors.emplace(name + ".weight", std::move(ones));
    part_.tensors.emplace(name + ".bias", Tensor(DType::f32, {width}));
  }
  void linear(const std::string& name, std::size_t outputs, std::size_t inputs) {
    weight(name + ".weight", {outputs, inputs}, 1 / std::sqrt(static_cast<double>(inputs)));
    part_.tensors.emplace(name + ".bias", Tensor(DType::f32, {outputs}));
  }

 private:
  Part& part_;
  std::string prefix_;
  std::uint64_t seed_;
};

Part random_encoder(const Size& size, std::uint64_t seed) {
  Part part;
  Builder builder(part, "encoder/", seed);
  const std::size_t d = size.width;
  for (std::size_t i = 0; i < size.blocks; ++i) {
    const std::string block = fmt::format("blocks.{}.", i);
    builder.norm(block + "norm1", d);
    builder.linear(block + "attn.qkv", 3 * d, d);
    builder.linear(block + "attn.proj", d, d);
    builder.norm(block + "norm2", d);
    builder.linear(block + "mlp.fc1", 4 * d, d);
    builder.linear(block + "mlp.fc2", d, 4 * d);
  }
  builder.norm("norm", d);
  part.config = {{"blocks", size.blocks},
                 {"width", d},
                 {"heads", size.heads},
                 {"mlp", 4 * d},
                 {"eps", kEps},
                 {"activation", "gelu"},
                 {"scale", 1 / std::sqrt(static_cast<double>(d / size.heads))},
                 {"norm", "before_pooling"},
                 {"pooling", "cls"},
                 {"family", "random"}};
  return part;
}

Part random_image_tokenizer(const Size& size, std::uint64_t seed) {
  Part part;
  Builder builder(part, "tokenizer/image/", seed);
  const std::size_t grid = kImageSize / size.patch, pixels = kChannels * size.patch * size.patch;
  builder.weight("patch.weight", {size.width, kChannels, size.patch, size.patch},
                 1 / std::sqrt(static_cast<double>(pixels)));
  builder.weight("cls", {size.width}, kTokenDeviation);
  builder.weight("positions", {grid * grid + 1, size.width}, kTokenDeviation);
  part.config = {{"modality", "image"},
                 {"width", size.width},
                 {"patch", size.patch},
                 {"channels", kChannels},
                 {"image_size", {kImageSize, kImageSize}},
                 {"mean", size.scale.mean},
                 {"std", size.scale.std},
                 {"eps", kEps},
                 {"position_resize", "antialias"},
                 {"family", "random"}};
  return part;
}

}  // namespace

Model random_model(const std::string& size, std::uint64_t seed) {
  const auto found = std::find_if(std::begin(kSizes), std::end(kSizes), [&](const Size& s) { return s.name == size; });
  if (found == std::end(kSizes)) {
    throw Error("random:" + size, "is no size of a random model", "there are random:tiny, small, b16 and l14");
  }
  Model model;
  model.source = fmt::format("random:{}@{}", size, seed);
  model.provenance = {{"container", "random"}, {"family", "random"}, {"size", size}, {"seed", seed}};
  model.parts.emplace("encoder", random_encoder(*found, seed));
  model.parts.emplace("tokenizer/image", random_image_tokenizer(*found, seed));
  return model;
}

}  // namespace mt
