#include "store/batch.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace mt {

namespace {

template <class T>
void append_values(std::vector<T>& to, const std::vector<T>& from, std::size_t begin, std::size_t end) {
  if (from.empty()) return;
  to.insert(to.end(), from.begin() + static_cast<std::ptrdiff_t>(begin),
            from.begin() + static_cast<std::ptrdiff_t>(end));
}

bool is_absent(const Tensor& tensor) { return tensor.shape() == Shape{0}; }

// Offsets go on where the last ones ended.
void append_offsets(std::vector<std::int64_t>& to, const std::vector<std::int64_t>& from, std::size_t begin,
                    std::size_t end) {
  if (from.empty()) return;
  if (to.empty()) to.push_back(0);
  const std::int64_t shift = to.back() - from[begin];
  for (std::size_t i = begin + 1; i <= end; ++i) to.push_back(from[i] + shift);
}

bool same_columns(const Batch& a, const Batch& b) {
  return a.index.empty() == b.index.empty() && a.labels.empty() == b.labels.empty() &&
         is_absent(a.targets) == is_absent(b.targets) && is_absent(a.numbers) == is_absent(b.numbers) &&
         a.offsets.empty() == b.offsets.empty() && is_absent(a.rows) == is_absent(b.rows) &&
         is_absent(a.codes) == is_absent(b.codes) && is_absent(a.centers) == is_absent(b.centers) &&
         is_absent(a.grid) == is_absent(b.grid) && is_absent(a.boxes) == is_absent(b.boxes) &&
         a.box_offsets.empty() == b.box_offsets.empty();
}

}  // namespace

void append_rows(Tensor& to, const Tensor& from, std::size_t begin, std::size_t end) {
  if (is_absent(from)) return;
  if (is_absent(to) || to.is_borrowed()) {
    Shape shape = from.shape();
    shape[0] = 0;
    Tensor owned(from.dtype(), shape);
    if (!is_absent(to)) append_rows(owned, to, 0, to.rows());
    to = std::move(owned);
  }
  if (to.dtype() != from.dtype() || to.columns() != from.columns()) {
    throw std::logic_error("batches of different columns were joined");
  }
  const std::size_t row_bytes = from.columns() * size_of(from.dtype());
  const std::size_t old = to.rows();
  to.resize_rows(old + end - begin);
  if (end > begin && row_bytes > 0) {
    std::memcpy(to.mutable_data() + old * row_bytes, from.data() + begin * row_bytes, (end - begin) * row_bytes);
  }
}

Tensor beside(Tensor left, const Tensor& right) {
  if (is_absent(right)) return left;
  if (left.rows() != right.rows()) throw std::logic_error("columns of different lengths were put beside each other");
  Tensor both(DType::f32, {left.rows(), left.columns() + right.columns()});
  for (std::size_t i = 0; i < both.rows(); ++i) {
    const auto from = std::as_const(left).row<float>(i), more = right.row<float>(i);
    std::ranges::copy(more, std::ranges::copy(from, both.row<float>(i).begin()).out);
  }
  return both;
}

void Batch::append(const Batch& other, std::size_t begin, std::size_t end) {
  if (begin > end || end > other.samples()) throw std::logic_error("samples outside of a batch were asked for");
  if (begin == end) return;
  if (samples() > 0 && !same_columns(*this, other)) {
    throw std::logic_error("batches of different columns were joined");
  }
  const std::size_t first_row = other.row_begin(begin), last_row = other.row_end(end - 1);
  append_values(ids, other.ids, begin, end);
  append_values(index, other.index, begin, end);
  append_values(labels, other.labels, begin, end);
  append_rows(targets, other.targets, begin, end);
  append_rows(numbers, other.numbers, begin, end);
  append_offsets(offsets, other.offsets, begin, end);
  append_rows(rows, other.rows, first_row, last_row);
  append_rows(codes, other.codes, first_row, last_row);
  append_rows(centers, other.centers, first_row, last_row);
  append_values(token_labels, other.token_labels, first_row, last_row);
  append_rows(grid, other.grid, begin, end);
  append_offsets(box_offsets, other.box_offsets, begin, end);
  if (!other.box_offsets.empty()) {
    append_rows(boxes, other.boxes, static_cast<std::size_t>(other.box_offsets[begin]),
                static_cast<std::size_t>(other.box_offsets[end]));
  }
}

void Batch::append(const Batch& other) {
  append(other, 0, other.samples());
  append_values(rejected, other.rejected, 0, other.rejected.size());
}

Batch Batch::slice(std::size_t begin, std::size_t end) const {
  Batch part;
  part.append(*this, begin, end);
  return part;
}

std::size_t Batch::bytes() const {
  std::size_t total = (index.size() + offsets.size() + box_offsets.size()) * sizeof(std::int64_t) +
                      (labels.size() + token_labels.size()) * sizeof(std::int32_t);
  for (const Tensor* tensor : {&targets, &numbers, &rows, &codes, &centers, &grid, &boxes})
    total += tensor->bytes().size();
  for (const std::string& id : ids) total += sizeof id + id.size();
  for (const Rejected& one : rejected) total += sizeof one + one.id.size() + one.reason.size();
  return total;
}

}  // namespace mt
