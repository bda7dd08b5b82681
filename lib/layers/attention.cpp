#include "layers/attention.h"

#include <algorithm>
#include <stdexcept>

#include "kernels/training.h"

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

std::size_t KeysAndValues::key_groups(std::size_t tokens) const { return panel_groups(*kernels_, depth_, tokens); }

std::size_t KeysAndValues::value_groups(std::size_t tokens) const {
  return (narrow_ ? (tokens + 1) / 2 : tokens) * value_stride_;
}

void KeysAndValues::reshape(std::span<const std::size_t> offsets, std::size_t heads, std::size_t head_size, bool narrow,
                            const Kernels& kernels) {
  heads_ = heads;
  head_size_ = head_size;
  depth_ = narrow ? head_size / 2 : head_size;
  narrow_ = narrow;
  kernels_ = &kernels;
  value_stride_ = (head_size + kernels.lanes - 1) / kernels.lanes * kernels.lanes;
  offsets_.assign(offsets.begin(), offsets.end());
  key_starts_.assign(1, 0);
  value_starts_.assign(1, 0);
  for (std::size_t i = 0; i + 1 < offsets_.size(); ++i) {
    const std::size_t tokens = offsets_[i + 1] - offsets_[i];
    key_starts_.push_back(key_starts_.back() + heads * key_groups(tokens));
    value_starts_.push_back(value_starts_.back() + heads * value_groups(tokens));
  }
  keys_.reserve(key_starts_.back());
  values_.reserve(value_starts_.back());
}

// Rows [from, to) of one head of a sequence; target: its values. Two threads may fill the halves of one group.
void KeysAndValues::store_values(std::size_t from, std::size_t to, std::size_t tokens, const void* first,
                                 std::size_t stride, Group* target) const {
  if (!narrow_) {
    const auto* row = static_cast<const float*>(first);
    for (std::size_t t = from; t < to; ++t, row += stride) {
      auto* out = reinterpret_cast<float*>(target + t * value_stride_);
      std::fill(std::copy_n(row, head_size_, out), out + value_stride_, 0.0f);
    }
    return;
  }
  const auto* row = static_cast<const std::uint16_t*>(first);
  const auto half = [&](std::size_t t) {
    return reinterpret_cast<std::uint16_t*>(target + t / 2 * value_stride_) + t % 2;
  };
  for (std::size_t t = from; t < to; ++t, row += stride) {
    std::uint16_t* out = half(t);
    for (std::size_t d = 0; d < head_size_; ++d) out[2 * d] = row[d];
    for (std::size_t d = head_size_; d < value_stride_; ++d) out[2 * d] = 0;
  }
  if (to == tokens && tokens % 2 == 1) {
    std::uint16_t* out = half(tokens);
    for (std::size_t d = 0; d < value_stride_; ++d) out[2 * d] = 0;
  }
}

void KeysAndValues::store(std::size_t begin, AnyRows keys, AnyRows values) {
  const std::size_t key_stride = keys.stride / (narrow_ ? 2 : 1);
  for_each_sequence(offsets_, begin, begin + keys.count, [&](std::size_t sequence, std::size_t from, std::size_t to) {
    const std::size_t start = offsets_[sequence], tokens = offsets_[sequence + 1] - start, row = start + from - begin;
    for (std::size_t head = 0; head < heads_; ++head) {
      kernels_->pack_panels(static_cast<const Group*>(keys.at(row, head * head_size_)), key_stride, from, to, depth_,
                            keys_.data() + key_starts_[sequence] + head * key_groups(tokens));
      store_values(from, to, tokens, values.at(row, head * head_size_), values.stride,
                   values_.data() + value_starts_[sequence] + head * value_groups(tokens));
    }
  });
}

void Attention::forward(std::size_t begin, AnyRows queries, const KeysAndValues& kv, AnyRows y, Aligned<float>& scratch,
                        const float* key_bias) const {
  scratch.reserve(attention_scratch(queries.count, head_size_));
  for_each_sequence(
      kv.offsets_, begin, begin + queries.count, [&](std::size_t sequence, std::size_t from, std::size_t to) {
        const std::size_t start = kv.offsets_[sequence], row = start + from - begin;
        AttentionCall call;
        call.query_stride = queries.stride / (kv.narrow_ ? 2 : 1);
        call.rows = to - from;
        call.tokens = kv.offsets_[sequence + 1] - start;
        call.head_size = head_size_;
        call.value_stride = kv.value_stride_;
        call.scale = scale_;
        call.out_stride = y.stride;
        call.scratch = scratch.data();
        call.key_bias = key_bias == nullptr ? nullptr : key_bias + start;
        for (std::size_t head = 0; head < heads_; ++head) {
          call.query = queries.at(row, head * head_size_);
          call.keys = kv.keys_.data() + kv.key_starts_[sequence] + head * kv.key_groups(call.tokens);
          call.values = kv.values_.data() + kv.value_starts_[sequence] + head * kv.value_groups(call.tokens);
          call.out = y.at(row, head * head_size_);
          if (kv.narrow_)
            kv.kernels_->attention_bf16(call);
          else
            kv.kernels_->attention_f32(call);
        }
      });
}

void Attention::backward(const Head<const float>& head, Rows<const float> dy, const Head<float>& gradients,
                         Aligned<float>& scratch) const {
  const std::size_t tokens = dy.count;
  const auto fits = [&](auto rows, std::size_t stride) {
    return rows.count == tokens && rows.width == head_size_ && rows.stride == stride;
  };
  if (!fits(dy, dy.stride) || !fits(head.query, head.key.stride) || !fits(head.key, head.key.stride) ||
      !fits(head.value, head.key.stride) || !fits(gradients.query, gradients.key.stride) ||
      !fits(gradients.key, gradients.key.stride) || !fits(gradients.value, gradients.key.stride)) {
    throw std::logic_error("attention: operands of backward do not belong to one head of one sequence");
  }
  AttentionGradientCall call;
  call.query = head.query.data;
  call.key = head.key.data;
  call.value = head.value.data;
  call.stride = head.key.stride;
  call.dout = dy.data;
  call.dout_stride = dy.stride;
  call.tokens = tokens;
  call.head_size = head_size_;
  call.scale = scale_;
  call.dquery = gradients.query.data;
  call.dkey = gradients.key.data;
  call.dvalue = gradients.value.data;
  call.gradient_stride = gradients.key.stride;
  call.scratch = scratch.reserve(attention_gradient_scratch(tokens, head_size_));
  training_kernels().attention_gradient(call);
}

}  // namespace mt
