#include "store/statistics.h"

#include <algorithm>
#include <cmath>

namespace mt {

void ValueStatistics::add(double value) {
  if (!std::isfinite(value)) {
    ++(std::isnan(value) ? nan_ : infinite_);
    return;
  }
  if (finite_++ == 0) shift_ = value;
  const double difference = value - shift_;
  sum_ += difference;
  squares_ += difference * difference;
  minimum_ = std::min(minimum_, value);
  maximum_ = std::max(maximum_, value);
}

void ValueStatistics::add(const Tensor& values) {
  const auto add_all = [this](auto span) {
    for (const auto value : span) {
      if constexpr (std::is_arithmetic_v<decltype(value)>)
        add(static_cast<double>(value));
      else
        add(static_cast<double>(to_float(value)));
    }
  };
  switch (values.dtype()) {
    case DType::f32:
      return add_all(values.as<float>());
    case DType::f64:
      return add_all(values.as<double>());
    case DType::f16:
      return add_all(values.as<Half>());
    case DType::bf16:
      return add_all(values.as<BFloat16>());
    case DType::i64:
      return add_all(values.as<std::int64_t>());
    case DType::i32:
      return add_all(values.as<std::int32_t>());
    case DType::i16:
      return add_all(values.as<std::int16_t>());
    case DType::i8:
      return add_all(values.as<std::int8_t>());
    case DType::u8:
      return add_all(values.as<std::uint8_t>());
    case DType::u16:
      return add_all(values.as<std::uint16_t>());
    case DType::boolean:
      return add_all(values.as<bool>());
  }
}

double ValueStatistics::mean() const { return finite_ == 0 ? 0 : shift_ + sum_ / static_cast<double>(finite_); }

double ValueStatistics::deviation() const {
  if (finite_ == 0) return 0;
  const auto n = static_cast<double>(finite_);
  return std::sqrt(std::max(0.0, squares_ / n - (sum_ / n) * (sum_ / n)));
}

}  // namespace mt
