// Steps from gradients: AdamW and SGD with momentum, as PyTorch defines them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/tensor.h"
#include "layers/parameter.h"

namespace mt {

struct OptimiserSettings {
  std::string kind = "adamw";  // "adamw" | "sgd"
  double weight_decay = 0;     // of parameters that decay; AdamW: decoupled, SGD: added to the gradient
  double momentum = 0.9;       // sgd
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // adamw
};

class Optimiser {
 public:
  // parameters must outlive the optimiser; those that do not learn are left alone. Throws Error on an unknown kind.
  static std::unique_ptr<Optimiser> make(const OptimiserSettings& settings, std::vector<Parameter*> parameters);
  virtual ~Optimiser() = default;

  // One step of the given learning rate (times each parameter's own) along the gradients, which stay as they are.
  virtual void step(double rate) = 0;

  // Everything that the next step depends on besides parameters and gradients.
  virtual const std::map<std::string, Tensor>& state() const = 0;
  virtual void restore(const std::map<std::string, Tensor>& state) = 0;
};

// Euclidean length of all gradients together, summed in one order in double precision.
double gradient_norm(const std::vector<Parameter*>& parameters);
// Scales all gradients down when norm exceeds limit (as torch.nn.utils.clip_grad_norm_).
void clip_gradients(const std::vector<Parameter*>& parameters, double norm, double limit);

}  // namespace mt
