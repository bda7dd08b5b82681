#include "layers/attention.h"

#include <algorithm>

namespace mt {

namespace {

// Calls part(sequence, begin, end) for the pieces of rows [begin, end) of the packed batch, counted within each
// sequence.
template <class Part>
void for_each_sequence(const std::vector<std::size_t>& offsets, std::size_t begin, std::size_t end, const Part& part) {
  auto next = std::upper_bound(offsets.begin(), offsets.end(), begin);
  for (std::size_t row = begin; row < end; ++next) {
    const std::size_t start = *(next - 1), stop = std::min(*next, end);
    if (stop > row) part(static_cast<std::size_t>(next - offsets.begin()) - 1, row - start, stop - start);
    row = std::max(row, stop);
  }
}

}  // namespace

std::size_t KeysAndValues::key_elements(std::size_t sequence) const {
  return panel_elements(*kernels_, head_size_, offsets_[sequence + 1] - offsets_[sequence]);
}

void KeysAndValues::reshape(std::span<const std::size_t> offsets, std::size_t heads, std::size_t head_size,
                            const Kernels& kernels) {
  heads_ = heads;
  head_size_ = head_size;
  kernels_ = &kernels;
  value_stride_ = (head_size + kernels.lanes - 1) / kernels.lanes * kernels.lanes;
  offsets_.assign(offsets.begin(), offsets.end());
  key_starts_.assign(1, 0);
  for (std::size_t i = 0; i + 1 < offsets_.size(); ++i) {
    key_starts_.push_back(key_starts_.back() + heads * key_elements(i));
  }
  keys_.reserve(key_starts_.back());
  values_.reserve(offsets_.back() * heads * value_stride_);
}

void KeysAndValues::store(std::size_t begin, Rows<const float> keys, Rows<const float> values) {
  for_each_sequence(offsets_, begin, begin + keys.count, [&](std::size_t sequence, std::size_t from, std::size_t to) {
    const std::size_t start = offsets_[sequence], tokens = offsets_[sequence + 1] - start, row = start + from - begin;
    for (std::size_t head = 0; head < heads_; ++head) {
      kernels_->pack_panels(keys.row(row) + head * head_size_, keys.stride, from, to, head_size_,
                            keys_.data() + key_starts_[sequence] + head * key_elements(sequence));
      float* target = values_.data() + (start * heads_ + head * tokens + from) * value_stride_;
      for (std::size_t i = 0; i < to - from; ++i, target += value_stride_) {
        std::fill(std::copy_n(values.row(row + i) + head * head_size_, head_size_, target), target + value_stride_,
                  0.0f);
      }
    }
  });
}

void Attention::forward(std::size_t begin, Rows<const float> queries, const KeysAndValues& kv, Rows<float> y,
                        Aligned<float>& scratch) const {
  scratch.reserve(attention_scratch(queries.count, head_size_));
  for_each_sequence(kv.offsets_, begin, begin + queries.count,
                    [&](std::size_t sequence, std::size_t from, std::size_t to) {
                      const std::size_t start = kv.offsets_[sequence], row = start + from - begin;
                      AttentionCall call;
                      call.query_stride = queries.stride;
                      call.rows = to - from;
                      call.tokens = kv.offsets_[sequence + 1] - start;
                      call.head_size = head_size_;
                      call.value_stride = kv.value_stride_;
                      call.scale = scale_;
                      call.out_stride = y.stride;
                      call.scratch = scratch.data();
                      for (std::size_t head = 0; head < heads_; ++head) {
                        call.query = queries.row(row) + head * head_size_;
                        call.keys = kv.keys_.data() + kv.key_starts_[sequence] + head * kv.key_elements(sequence);
                        call.values = kv.values_.data() + (start * heads_ + head * call.tokens) * kv.value_stride_;
                        call.out = y.row(row) + head * head_size_;
                        kv.kernels_->attention(call);
                      }
                    });
}

}  // namespace mt
