// Variations of samples while training, drawn anew for each (epoch, sample). All are done on patches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "store/batch.h"
#include "store/schema.h"

namespace mt {

struct AugmentationSettings {
  double crop = 0;      // pictures: least share of the area of the part that is seen; 0: all is seen (picture_views.h)
  bool flip = false;    // pictures: left and right change places, with a chance of one half
  double shift = 0;     // pictures, sound: moved by up to so many pixels along both sides, or patches along time, the
                        // border repeated; point clouds: by up to so much along each axis
  bool rotate = false;  // point clouds: turned around the vertical by any angle
  double noise = 0;     // deviation of normal noise on every number of a patch
  double gain = 0;      // deviation of the logarithm of a factor for the whole sample (its centers too, of clouds)
  double mask = 0;      // audio: share of the rows, and of the columns, of the grid of patches that are silenced
  double drop = 0;      // share of the tokens behind the prefix that are left out
  double mixup = 0;     // alpha of Beta(alpha, alpha): how far samples of one length are mixed with another's
  double cutmix = 0;    // alpha of Beta(alpha, alpha): which share of the grid is not replaced by another's patches

  bool any() const;
  nlohmann::json to_json() const;
};

// "crop:0.3,flip,shift:2,rotate,noise:0.1,gain:0.2,mask:0.1,drop:0.2,mixup:0.2,cutmix:1": some of these. Throws
// UsageError.
AugmentationSettings augmentation_named(std::string_view text);

class Augmentation {
 public:
  // Throws UsageError for what these patches cannot have: flips of what is no picture, half a pixel, turned points with
  // columns of other meanings, ...
  Augmentation(const AugmentationSettings& settings, const Schema& patches, std::uint64_t seed);

  const AugmentationSettings& settings() const { return settings_; }

  // Changes rows (f32, normalised) and centers of each sample in place; not crop, drop, mixup and cutmix. samples:
  // their numbers.
  void apply(Batch& batch, std::span<const std::size_t> samples, std::uint64_t epoch) const;

  // Of count tokens behind the prefix those that stay, ascending; at least one.
  std::vector<std::size_t> kept(std::size_t count, std::size_t sample, std::uint64_t epoch) const;

  // Who a sample of a batch is mixed with, and its own share.
  struct Partner {
    std::size_t other = 0;
    float share = 1;
  };
  // One for each sample of the batch: itself where no other has its length (cutmix: its grid). Mixes rows in place: all
  // of them (mixup, Zhang et al., 2018), or a box of the grid (cutmix, Yun et al., 2019); where both are asked for, one
  // of them by chance.
  std::vector<Partner> mix(Batch& batch, std::span<const std::size_t> samples, std::uint64_t epoch) const;

 private:
  float mix_all(Batch& batch, const Tensor& before, std::size_t s, std::size_t other, Random& random) const;
  float mix_box(Batch& batch, const Tensor& before, std::size_t s, std::size_t other, Random& random) const;
  Random random_of(const char* purpose, std::uint64_t epoch, std::size_t sample) const;
  void require_movable(const Schema& patches) const;
  void move_picture(Batch& batch, std::size_t s, Random& random) const;
  void move_sound(Batch& batch, std::size_t s, Random& random) const;
  void move_cloud(Batch& batch, std::size_t s, Random& random) const;
  std::ptrdiff_t whole_shift(Random& random) const;
  void turn_cloud(Batch& batch, std::size_t s, Random& random) const;
  void mask_grid(Batch& batch, std::size_t s, Random& random) const;

  AugmentationSettings settings_;
  std::uint64_t seed_;
  bool cloud_ = false, sound_ = false;
  std::size_t side_ = 0, channels_ = 0;  // of a picture's patches
};

}  // namespace mt
