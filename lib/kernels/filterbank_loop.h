// Log-mel energies of several frames at once, one frame a lane.
//
// Every value is a vector of doubles, the same place of as many frames: nothing below ever mixes lanes, so a frame's
// numbers depend neither on its neighbours nor on the number of lanes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

namespace mt {

template <class V>
struct FilterbankLoop {
  using D = typename V::D;
  using L = typename V::L;
  static constexpr std::size_t lanes = sizeof(D) / sizeof(double);

  struct Complex {
    D re, im;
  };

  // One level of a transform of n values, decimation in frequency: butterflies of four.
  static void butterflies4(Complex* x, std::size_t n, const double* roots, std::size_t stride) {
    const std::size_t quarter = n / 4;
    for (std::size_t k = 0; k < quarter; ++k) {
      Complex &a = x[k], &b = x[k + quarter], &c = x[k + 2 * quarter], &d = x[k + 3 * quarter];
      const D sum_re = a.re + c.re, sum_im = a.im + c.im, difference_re = a.re - c.re, difference_im = a.im - c.im;
      const D other_re = b.re + d.re, other_im = b.im + d.im, turned_re = b.im - d.im, turned_im = d.re - b.re;
      const double *w1 = roots + 2 * k * stride, *w2 = roots + 4 * k * stride, *w3 = roots + 6 * k * stride;
      a.re = sum_re + other_re;
      a.im = sum_im + other_im;
      const D one_re = difference_re + turned_re, one_im = difference_im + turned_im;
      b.re = one_re * w1[0] - one_im * w1[1];
      b.im = one_re * w1[1] + one_im * w1[0];
      const D two_re = sum_re - other_re, two_im = sum_im - other_im;
      c.re = two_re * w2[0] - two_im * w2[1];
      c.im = two_re * w2[1] + two_im * w2[0];
      const D three_re = difference_re - turned_re, three_im = difference_im - turned_im;
      d.re = three_re * w3[0] - three_im * w3[1];
      d.im = three_re * w3[1] + three_im * w3[0];
    }
  }

  // The discrete Fourier transform of x [n], n a power of two, in place; coefficients end in the order of their digits
  // reversed (fours first, a two last). roots: exp(-2 pi i k / 2n), interleaved.
  static void transform(Complex* x, std::size_t n, const double* roots) {
    std::size_t size = n;
    for (; size >= 4; size /= 4) {
      for (std::size_t begin = 0; begin < n; begin += size) butterflies4(x + begin, size, roots, 2 * (n / size));
    }
    if (size == 2) {
      for (std::size_t begin = 0; begin < n; begin += 2) {
        const Complex a = x[begin], b = x[begin + 1];
        x[begin] = {a.re + b.re, a.im + b.im};
        x[begin + 1] = {a.re - b.re, a.im - b.im};
      }
    }
  }

  // |X[k]|^2, k in [0, half), of the real signal whose even samples were the real and odd samples the imaginary parts
  // of what became z: X[k] = (z[k] + z*[-k]) / 2 + exp(-2 pi i k / (2 half)) (z[k] - z*[-k]) / 2i.
  static void power_spectrum(const Complex* z, const FilterbankCall& call, D* power) {
    for (std::size_t k = 0; k < call.half; ++k) {
      const Complex &a = z[call.places[k]], &b = z[call.places[k == 0 ? 0 : call.half - k]];
      const D even_re = a.re + b.re, even_im = a.im - b.im, odd_re = a.im + b.im, odd_im = b.re - a.re;
      const double w_re = call.roots[2 * k], w_im = call.roots[2 * k + 1];
      const D re = even_re + (odd_re * w_re - odd_im * w_im), im = even_im + (odd_re * w_im + odd_im * w_re);
      power[k] = (re * re + im * im) * 0.25;
    }
  }

  // Natural logarithm of positive normal numbers, to 1e-12: x = 2^e m with m within sqrt(2) of 1, and
  // log m = 2 (s + s^3 / 3 + s^5 / 5 + ...), s = (m - 1) / (m + 1), |s| < 0.172.
  static void take_logarithm(D& x) {
    constexpr std::int64_t sqrt_half = 0x3fe6a09e667f3bcd;  // its bits
    L bits;
    std::memcpy(&bits, &x, sizeof bits);
    const L exponent = (bits - sqrt_half) >> 52;
    bits -= exponent << 52;
    D m;
    std::memcpy(&m, &bits, sizeof m);
    const D s = (m - 1.0) / (m + 1.0), t = s * s;
    D sum = t * (1.0 / 15) + 1.0 / 13;
    sum = sum * t + 1.0 / 11;
    sum = sum * t + 1.0 / 9;
    sum = sum * t + 1.0 / 7;
    sum = sum * t + 1.0 / 5;
    sum = sum * t + 1.0 / 3;
    sum = sum * t + 1.0;
    x = __builtin_convertvector(exponent, D) * 0.693147180559945309417 + 2.0 * s * sum;
  }

  // Frames [first, first + lanes) as z; lanes behind the last frame repeat it.
  static void load(const FilterbankCall& call, std::size_t first, Complex* z) {
    const float* at[lanes];
    D mean{};
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      const std::size_t frame = first + lane < call.frames ? first + lane : call.frames - 1;
      at[lane] = call.signal + frame * call.shift;
      double sum = 0;
      for (std::size_t i = 0; i < call.length; ++i) sum += at[lane][i];
      mean[lane] = sum / static_cast<double>(call.length);
    }
    D before{};
    for (std::size_t i = 0; i < 2 * call.half; ++i) {
      D x{};
      if (i < call.length) {
        D sample{};
        for (std::size_t lane = 0; lane < lanes; ++lane) sample[lane] = at[lane][i];
        sample -= mean;
        x = (sample - call.preemphasis * (i == 0 ? sample : before)) * call.window[i];
        before = sample;
      }
      (i % 2 == 0 ? z[i / 2].re : z[i / 2].im) = x;
    }
  }

  static void run(const FilterbankCall& call) {
    Complex* const z = reinterpret_cast<Complex*>(call.scratch);
    D* const power = reinterpret_cast<D*>(z + call.half);
    for (std::size_t first = 0; first < call.frames; first += lanes) {
      load(call, first, z);
      transform(z, call.half, call.roots);
      power_spectrum(z, call, power);
      const std::size_t count = call.frames - first < lanes ? call.frames - first : lanes;
      const double* weight = call.weights;
      for (std::size_t bin = 0; bin < call.bins; ++bin) {
        D sum{};
        for (std::size_t k = call.begins[bin]; k < call.ends[bin]; ++k) sum += *weight++ * power[k];
        const D floor = D{} + call.floor;
        sum = sum > floor ? sum : floor;
        take_logarithm(sum);
        float* const out = call.out + first * call.bins + bin;
        for (std::size_t lane = 0; lane < count; ++lane) out[lane * call.bins] = static_cast<float>(sum[lane]);
      }
    }
  }
};

}  // namespace mt
