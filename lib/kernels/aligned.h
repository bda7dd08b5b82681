// Memory for kernels: aligned to a cache line, not initialised, grown when a larger batch comes.
#pragma once

#include <cstddef>
#include <utility>

namespace mt {

// From 2 MiB on, in huge pages where the system has them to give: weights are too many for the small ones' cache.
void* allocate_aligned(std::size_t bytes);
void release_aligned(void* memory, std::size_t bytes) noexcept;

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
      data_ = static_cast<T*>(allocate_aligned(count * sizeof(T)));
      size_ = count;
    }
    return data_;
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  void release() {
    if (data_ != nullptr) release_aligned(std::exchange(data_, nullptr), size_ * sizeof(T));
    size_ = 0;
  }
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace mt
