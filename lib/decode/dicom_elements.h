// The elements of a DICOM file that describe a picture, found without trusting a single length (DICOM PS3.5 section 7,
// PS3.10 section 7). Internal to decode/dicom.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mt::formats {

// Group and element number, as in (0028,0010).
constexpr std::uint32_t dicom_tag(std::uint32_t group, std::uint32_t element) { return group << 16 | element; }

struct DicomElements {
  std::string transfer_syntax;                                 // its UID
  std::map<std::uint32_t, std::span<const std::byte>> values;  // of groups 0008 to 0028, top level
  std::span<const std::byte> pixels;                           // (7FE0,0010) when it is stored as it is
  std::vector<std::span<const std::byte>> fragments;           // or its compressed parts,
  std::vector<std::uint32_t> frame_offsets;                    // and where frames start among them; may be empty

  bool has(std::uint32_t tag) const { return values.contains(tag); }
  std::optional<std::uint16_t> whole(std::uint32_t tag) const;  // an unsigned 16-bit number
  std::optional<double> decimal(std::uint32_t tag) const;       // the first number of a decimal or integer string
  std::string text(std::uint32_t tag) const;                    // without padding; "" when absent
};

// Reads up to the end of the pixel data. Throws Error: cut, nested too deep, big-endian or deflated, no pixel data.
DicomElements read_dicom_elements(std::span<const std::byte> file, std::string_view name);

}  // namespace mt::formats
