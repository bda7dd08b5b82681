// Products by cuBLASLt, such that a row's bytes depend on that row alone.
//
// cuBLASLt has many ways to compute a product, and its own choice changes with the number of rows; some of them cut the
// sum into parts and add those in no fixed order. Here the way is chosen once for each kind of product, at a fixed
// number of rows, among those that do not cut the sum, and is then used for every number of rows.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "checks.h"

namespace mt::cuda {

// Those of one card, for all its queues.
class Products {
 public:
  // card: its label.
  explicit Products(std::string card) : card_(std::move(card)) {}

  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;

  // Gives the card a product; the card is the thread's current one. workspace: kWorkspaceBytes of the card's memory, of
  // this stream alone. Throws Error.
  void run(const Product& product, cublasLtHandle_t cublas, void* workspace, cudaStream_t stream);

 private:
  // All that the way depends on.
  struct Kind {
    std::size_t inputs = 0, outputs = 0;
    Precision numbers = Precision::f32;
    bool widen = false, bias = false;
    auto operator<=>(const Kind&) const = default;
  };
  class Problem;

  cublasLtMatmulAlgo_t choose(const Kind& kind, cublasLtHandle_t cublas) const;
  cublasLtMatmulAlgo_t way_of(const Kind& kind, cublasLtHandle_t cublas);

  std::string card_;
  std::mutex mutex_;
  std::map<Kind, cublasLtMatmulAlgo_t> ways_;
};

}  // namespace mt::cuda
