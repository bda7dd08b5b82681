// /rejected: the compound (id, index, reason, content) with fixed-length texts, so that checksums cover it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "store/batch.h"
#include "store/hdf5.h"

namespace mt {

// What one row takes when ids and reasons take so many bytes.
struct RejectedLayout {
  std::size_t id_bytes = 1, reason_bytes = 1;
  static constexpr std::size_t kContentBytes = 2 * sizeof(Digest);  // in hexadecimal
  std::size_t row_bytes() const { return id_bytes + sizeof(std::int64_t) + reason_bytes + kContentBytes; }
  h5::Type type() const;
  void widen(const Rejected& one);  // to hold this one too
  // Writes one row; the reason is cut to kLongestReason bytes. logic_error when it does not fit.
  void pack(const Rejected& one, std::span<std::byte> row) const;
};

// Reads rows [begin, end), texts of any string type; content is optional. where: "file: /rejected".
std::vector<Rejected> read_rejected(const h5::Opened& opened, std::uint64_t begin, std::uint64_t end,
                                    std::string_view where);

}  // namespace mt
