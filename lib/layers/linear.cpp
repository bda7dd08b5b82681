#include "layers/linear.h"

#include <algorithm>
#include <stdexcept>

namespace mt {

Linear::Linear(std::span<const float> weight, std::span<const float> bias, std::size_t inputs, std::size_t outputs,
               Finish finish, const Kernels& kernels, ProductBackend backend)
    : inputs_(inputs), outputs_(outputs), finish_(finish), kernels_(&kernels) {
  if (weight.size() != inputs * outputs || (!bias.empty() && bias.size() != outputs)) {
    throw std::logic_error("linear: weight or bias has another shape than [outputs, inputs]");
  }
  const std::size_t padded = panel_elements(kernels, 1, outputs);
  std::fill_n(bias_.reserve(padded), padded, 0.0f);
  std::copy(bias.begin(), bias.end(), bias_.data());
  if (backend == ProductBackend::automatic) {
    backend = kernels.isa == Isa::generic ? ProductBackend::onednn : ProductBackend::own;
  }
  if (backend == ProductBackend::onednn) {
    onednn_.emplace(weight.data(), bias_.data(), inputs, outputs, finish);
    return;
  }
  const std::size_t elements = panel_elements(kernels, inputs, outputs), last = outputs / kernels.panel * kernels.panel;
  float* panels = panels_.reserve(elements);
  std::fill(panels + last * inputs, panels + elements, 0.0f);
  kernels.pack_panels(weight.data(), inputs, 0, outputs, inputs, panels);
}

void Linear::forward(Rows<const float> x, Rows<float> y) const {
  if (onednn_) {
    onednn_->run(x.data, x.stride, x.count, y.data, y.stride);
    return;
  }
  ProductCall call;
  call.a = x.data;
  call.a_stride = x.stride;
  call.rows = x.count;
  call.depth = inputs_;
  call.columns = outputs_;
  call.panels = panels_.data();
  call.bias = bias_.data();
  call.finish = finish_;
  call.y = y.data;
  call.y_stride = y.stride;
  kernels_->product(call);
}

}  // namespace mt
