#include "kernels/gemm.h"

#include <dnnl.h>
#include <omp.h>

#include <fmt/format.h>

#include "base/error.h"

namespace mt {

namespace {

// oneDNN would start a team of its own in each of our workers. The setting belongs to the calling thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) {
    if (before_ != 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (before_ != 1) omp_set_num_threads(before_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

char letter(OperandForm form) { return form == OperandForm::plain ? 'N' : 'T'; }

}  // namespace

void gemm(std::size_t m, std::size_t n, std::size_t k, const GemmOperand& a, const GemmOperand& b, float* c,
          std::size_t c_leading, bool accumulate) {
  if (m == 0 || n == 0) return;
  const auto size = [](std::size_t value) { return static_cast<dnnl_dim_t>(value); };
  const OneThread guard;
  const dnnl_status_t status =
      dnnl_sgemm(letter(a.form), letter(b.form), size(m), size(n), size(k), 1.0F, a.data, size(a.leading), b.data,
                 size(b.leading), accumulate ? 1.0F : 0.0F, c, size(c_leading));
  if (status == dnnl_success) return;
  throw Error("matrix product",
              fmt::format("oneDNN refused [{}, {}] * [{}, {}] with status {}", m, k, k, n, static_cast<int>(status)));
}

}  // namespace mt
