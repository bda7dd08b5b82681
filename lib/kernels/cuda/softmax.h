// The softmax of one row whose scores come tile by tile (Milakov and Gimelshein 2018), in powers of two.
#pragma once

#include "kernels/cuda/numbers.h"

namespace mt::cuda {

inline constexpr float kLog2E = 1.44269504f;

struct RunningSoftmax {
  float maximum = -INFINITY, sum = 0;

  // Before a tile whose largest score (times log2(e)) is `most`: returns the factor for what was gathered so far.
  MT_CARD float raise(float most) {
    const float before = maximum;
    maximum = fmaxf(before, most);
    const float keep = power_of_two(before - shift());
    sum *= keep;
    return keep;
  }

  // The weight of a score of this tile, which is added to the sum.
  MT_CARD float weigh(float score) {
    const float weight = power_of_two(score - shift());
    sum += weight;
    return weight;
  }

 private:
  // A row may have met scores of -inf alone so far: weights of 0, not NaN, in case others come.
  MT_CARD float shift() const { return maximum == -INFINITY ? 0 : maximum; }
};

// The maximum, or the sum, of the values of `lanes` neighbouring lanes, in each of them. A NaN does not show in a
// maximum; in the sum of the weights it does.
template <unsigned lanes, class Thread>
MT_CARD float maximum_of(const Thread& thread, float value) {
  MT_UNROLL
  for (unsigned mask = 1; mask < lanes; mask *= 2) value = fmaxf(value, thread.shuffle_xor(value, mask));
  return value;
}
template <unsigned lanes, class Thread>
MT_CARD float sum_of(const Thread& thread, float value) {
  MT_UNROLL
  for (unsigned mask = 1; mask < lanes; mask *= 2) value += thread.shuffle_xor(value, mask);
  return value;
}

}  // namespace mt::cuda
