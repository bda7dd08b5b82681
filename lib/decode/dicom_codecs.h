// Compressed pixels of DICOM files, through DCMTK where it is present. Internal to decode/dicom.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt::formats {

struct DicomFrame {
  std::uint16_t rows = 0, columns = 0, samples = 1, bits_allocated = 16, bits_stored = 16, high_bit = 15;
  bool is_signed = false, planes_apart = false;  // planes_apart is about pixels that are not compressed
  std::string photometric;
};

// One frame, from its compressed parts to samples as they would be stored without compression; sets frame.planes_apart
// to how they lie. Throws Error: no DCMTK in this build, an unknown transfer syntax, damaged.
std::vector<std::byte> decompress_dicom_frame(DicomFrame& frame, const std::string& transfer_syntax,
                                              const std::vector<std::span<const std::byte>>& parts,
                                              std::string_view name);

}  // namespace mt::formats
