// Central differences in double precision, the judge of every backward pass.
#pragma once

#include <cmath>
#include <cstddef>
#include <functional>
#include <span>
#include <vector>

namespace mt::test {

// d f / d values[i] by central differences. f sees values as they are changed in place.
inline std::vector<double> central_differences(std::span<double> values, const std::function<double()>& f,
                                               double step = 1e-5) {
  std::vector<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double before = values[i];
    values[i] = before + step;
    const double up = f();
    values[i] = before - step;
    const double down = f();
    values[i] = before;
    result[i] = (up - down) / (2 * step);
  }
  return result;
}

// max |a - b| / max(1, max |b|)
template <class A, class B>
double relative_difference(const A& a, const B& b) {
  double difference = 0, size = 1;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    size = std::max(size, std::abs(static_cast<double>(b[i])));
  }
  return difference / size;
}

// y = x weight^T + bias in plain loops. x: [any, inputs], weight: [outputs, inputs], bias: [outputs].
inline std::vector<double> plain_linear(const std::vector<double>& x, const std::vector<double>& weight,
                                        const std::vector<double>& bias) {
  const std::size_t outputs = bias.size(), inputs = weight.size() / outputs;
  std::vector<double> y;
  for (std::size_t t = 0; t < x.size() / inputs; ++t) {
    for (std::size_t o = 0; o < outputs; ++o) {
      double sum = bias[o];
      for (std::size_t i = 0; i < inputs; ++i) sum += x[t * inputs + i] * weight[o * inputs + i];
      y.push_back(sum);
    }
  }
  return y;
}

inline std::vector<double> doubles(std::span<const float> values) { return {values.begin(), values.end()}; }

}  // namespace mt::test
