// Memory for kernels: aligned to a cache line, not initialised, grown when a larger batch comes.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

namespace mt {

template <class T>
class Aligned {
 public:
  Aligned() = default;
  explicit Aligned(std::size_t count) { reserve(count); }
  ~Aligned() { release(); }
  Aligned(Aligned&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Aligned& operator=(Aligned&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  // At least count elements; contents are lost when it grows.
  T* reserve(std::size_t count) {
    if (count > size_) {
      release();
      data_ = static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}));
      size_ = count;
    }
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void release() {
    ::operator delete (std::exchange(data_, nullptr), std::align_val_t{64});
    size_ = 0;
  }
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mt
