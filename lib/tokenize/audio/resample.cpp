#include "tokenize/audio/resample.h"

#include <fmt/format.h>

#include "base/error.h"

#ifdef MT_HAVE_SOXR
#include <soxr.h>
#endif

namespace mt {

std::vector<float> resampled(std::vector<float> signal, std::size_t from_hz, std::size_t to_hz,
                             std::string_view where) {
  if (from_hz == to_hz || signal.empty()) return signal;
#ifdef MT_HAVE_SOXR
  const std::size_t length = (signal.size() * to_hz + from_hz - 1) / from_hz;
  std::vector<float> result(length);
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  std::size_t made = 0;
  const soxr_error_t error =
      soxr_oneshot(static_cast<double>(from_hz), static_cast<double>(to_hz), 1, signal.data(), signal.size(), nullptr,
                   result.data(), result.size(), &made, nullptr, &quality, nullptr);
  if (error != nullptr) throw Error(where, fmt::format("soxr cannot take {} Hz to {} Hz: {}", from_hz, to_hz, error));
  return result;
#else
  throw Error(where, fmt::format("has {} Hz where {} Hz are needed, and this build cannot resample", from_hz, to_hz),
              fmt::format("install libsoxr-dev and build again, or --rate {}", from_hz));
#endif
}

}  // namespace mt
