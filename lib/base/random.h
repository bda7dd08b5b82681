// Counter-based random numbers: the value depends on (seed, stream, position) alone, never on who asked before.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace mt {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// A stream of numbers keyed by (seed, stream). Streams are independent: use one per purpose, epoch and sample, e.g.
// Random(seed, stream_of("dropout", epoch, sample)).
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0);

  std::uint32_t next_u32();
  std::uint64_t next_u64();
  double uniform();                          // [0, 1), 53 bits
  double uniform(double low, double high);   // [low, high)
  double normal();                           // N(0, 1), Box-Muller
  std::uint64_t below(std::uint64_t bound);  // 0 .. bound-1 without bias; bound > 0

  void fill_normal(std::span<float> out, float mean, float deviation);
  void fill_uniform(std::span<float> out, float low, float high);

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint64_t stream_, block_ = 0;
  std::array<std::uint32_t, 4> buffer_{};
  unsigned used_ = 4;
  double spare_ = 0;
  bool has_spare_ = false;
};

// A stream number from a purpose and two coordinates (FNV-1a over all of them).
std::uint64_t stream_of(std::string_view purpose, std::uint64_t a = 0, std::uint64_t b = 0);

// 0 .. n-1 in random order (Fisher-Yates).
std::vector<std::size_t> permutation(std::size_t n, Random& random);

}  // namespace mt
