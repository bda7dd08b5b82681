// What frames carry: small complete HDF5 files of a schema, of one batch, of the totals at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "store/batch.h"
#include "store/rejected_io.h"
#include "store/schema.h"

namespace mt {

// What a file's extents and text widths follow from; also what a stream must have delivered at its end.
struct Totals {
  std::int64_t samples = 0, rows = 0, boxes = 0, rejected = 0;
  std::int64_t last_index = -1;  // largest /index among samples and rejected inputs
  std::size_t id_bytes = 1;      // longest id
  RejectedLayout rejected_layout;
  void add(const Batch& batch);
};

// A whole sample file of zero samples.
std::vector<std::byte> header_image(const Schema& schema);
Schema schema_of_image(std::span<const std::byte> image, std::string_view where);

// inputs: mt_inputs so far, for whoever resumes.
std::vector<std::byte> batch_image(const Batch& batch, const Schema& schema, const Digest& inputs);
struct BatchOfImage {
  Batch batch;
  Digest inputs;
};
BatchOfImage batch_of_image(std::span<const std::byte> image, const Schema& schema, std::string_view where);

struct End {
  std::int64_t samples = 0, rows = 0, rejected = 0;
  Digest inputs{};
};
std::vector<std::byte> end_image(const Totals& totals, const Digest& inputs);
End end_of_image(std::span<const std::byte> image, std::string_view where);

}  // namespace mt
