// Memory of a card, and of the host where a card copies fast; freed at the end of its scope.
#pragma once

#include <cstddef>
#include <utility>

#include "encoder/cuda/device.h"

namespace mt::cuda {

enum class Place { card, pinned };

template <Place kPlace>
class Memory {
 public:
  explicit Memory(Card& card) : card_(&card) {}
  ~Memory() { release(); }
  Memory(Memory&& other) noexcept
      : card_(other.card_), data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Memory& operator=(Memory&&) = delete;

  // At least so many bytes; contents are lost when it grows. True when it did. Throws OutOfMemory, and is empty then.
  bool reserve(std::size_t bytes) {
    if (bytes <= bytes_) return false;
    release();
    data_ = kPlace == Place::card ? card_->allocate(bytes) : card_->allocate_pinned(bytes);
    bytes_ = bytes;
    return true;
  }
  void release() noexcept {
    if (data_ == nullptr) return;
    if (kPlace == Place::card)
      card_->release(data_);
    else
      card_->release_pinned(data_);
    data_ = nullptr;
    bytes_ = 0;
  }
  template <class T = void>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  Card* card_;
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
};

using CardMemory = Memory<Place::card>;
using PinnedMemory = Memory<Place::pinned>;

}  // namespace mt::cuda
