// Recordings at another sampling rate, through soxr.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace mt {

// signal at from_hz -> ceil(signal.size() * to_hz / from_hz) samples at to_hz, in soxr's high quality (20 bits, linear
// phase); the signal is taken for silent outside. The same samples when the rates are equal. where: for errors. Throws
// Error in a build without soxr when they differ.
std::vector<float> resampled(std::vector<float> signal, std::size_t from_hz, std::size_t to_hz, std::string_view where);

}  // namespace mt
