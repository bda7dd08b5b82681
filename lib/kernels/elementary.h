// Exponential and activations on vectors. V is one of the vector types (vector_*.h).
#pragma once

namespace mt {

// 2^x with a relative error below 2e-7, or, for results that are rounded to bfloat16, below 1.1e-4; x <= 127. Below
// -126 the result is 2^-126 or so: what softmax calls nothing. NaN stays NaN.
template <class V, bool Exact = true>
inline typename V::F exp2(typename V::F x) {
  x = V::max(V::set1(-126.0f), x);
  const auto whole = V::round(x);
  const auto f = V::sub(x, whole);  // -0.5 .. 0.5
  if constexpr (!Exact) {           // minimax polynomial of degree 3
    auto p = V::set1(0.0551717933f);
    p = V::fma(p, f, V::set1(0.242611483f));
    p = V::fma(p, f, V::set1(0.693260998f));
    p = V::fma(p, f, V::set1(0.999928052f));
    return V::scale_by_power(p, whole);
  }
  // The Taylor series of e^(f log 2), last term below 1e-7.
  auto p = V::set1(1.5252734e-5f);
  p = V::fma(p, f, V::set1(1.5403530e-4f));
  p = V::fma(p, f, V::set1(1.3333558e-3f));
  p = V::fma(p, f, V::set1(9.6181291e-3f));
  p = V::fma(p, f, V::set1(5.5504109e-2f));
  p = V::fma(p, f, V::set1(2.4022651e-1f));
  p = V::fma(p, f, V::set1(6.9314718e-1f));
  p = V::fma(p, f, V::set1(1.0f));
  return V::scale_by_power(p, whole);
}

// Phi(x), the exact normal distribution. Phi(x) - 1/2 is odd: x P(x^2) / Q(x^2), a minimax fit on |x| <= 5.5 with an
// error of 7e-9 before rounding, 2.3e-7 in float32; outside it is clamped to 1/2, from which it differs by 2e-8.
template <class V>
inline typename V::F normal_cumulative(typename V::F x) {
  const auto t = V::min(V::set1(5.5f), V::max(V::set1(-5.5f), x));
  const auto u = V::mul(t, t);
  auto p = V::set1(2.27492745e-08f);
  p = V::fma(p, u, V::set1(6.35213337e-06f));
  p = V::fma(p, u, V::set1(1.68827595e-04f));
  p = V::fma(p, u, V::set1(4.67727287e-03f));
  p = V::fma(p, u, V::set1(3.38528380e-02f));
  p = V::fma(p, u, V::set1(3.98942292e-01f));
  auto q = V::set1(1.19750223e-06f);
  q = V::fma(q, u, V::set1(7.36481234e-05f));
  q = V::fma(q, u, V::set1(1.88445556e-03f));
  q = V::fma(q, u, V::set1(2.86459774e-02f));
  q = V::fma(q, u, V::set1(2.51522392e-01f));
  q = V::fma(q, u, V::set1(1.0f));
  const auto half = V::set1(0.5f);
  const auto h = V::min(half, V::max(V::set1(-0.5f), V::div(V::mul(t, p), q)));
  return V::add(h, half);
}

// x Phi(x).
template <class V>
inline typename V::F gelu(typename V::F x) {
  return V::mul(x, normal_cumulative<V>(x));
}

// The same with an absolute error of 2e-4: x P(x^2) for |x| <= 3.875, a minimax fit that ends at exactly 1/2 there, so
// that larger inputs give 0 and x.
template <class V>
inline typename V::F short_gelu(typename V::F x) {
  const auto t = V::min(V::set1(3.875f), V::max(V::set1(-3.875f), x));
  const auto u = V::mul(t, t);
  auto p = V::set1(2.75604251e-08f);
  p = V::fma(p, u, V::set1(-1.83190343e-06f));
  p = V::fma(p, u, V::set1(5.23712552e-05f));
  p = V::fma(p, u, V::set1(-8.54703947e-04f));
  p = V::fma(p, u, V::set1(8.95949174e-03f));
  p = V::fma(p, u, V::set1(-6.49621338e-02f));
  p = V::fma(p, u, V::set1(3.98146629e-01f));
  return V::mul(x, V::fma(t, p, V::set1(0.5f)));
}

// x sigmoid(1.702 x): what OpenAI's CLIP was trained with.
template <class V>
inline typename V::F quick_gelu(typename V::F x) {
  // e^(-1.702 x) as a power of two, kept below overflow.
  const auto power = V::min(V::set1(120.0f), V::mul(x, V::set1(-1.702f * 1.44269504f)));
  return V::div(x, V::add(V::set1(1.0f), exp2<V>(power)));
}

}  // namespace mt
