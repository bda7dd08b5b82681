// Linear and MLP heads.
#pragma once

#include "heads/head.h"
#include "heads/network.h"

namespace mt {

// Hidden layers, activation and dropout as a head's configuration has them. Throws Error when they contradict its kind.
NetworkShape network_shape_from(const nlohmann::json& config, std::size_t inputs, std::size_t outputs);
// Adds them, and the network's tensors.
void describe_network(const Network& network, Part& part);

class NetworkHead : public Head {
 public:
  NetworkHead(HeadDescription description, Network network);
  NetworkHead(HeadDescription description, const Part& part);

  HeadKind kind() const override { return network_.shape().hidden.empty() ? HeadKind::linear : HeadKind::mlp; }
  const Network& network() const { return network_; }

 protected:
  void logits_of_tile(const float* x, float* logits) const override { network_.forward_rows(x, logits, kTile); }
  void describe(Part& part) const override;

 private:
  Network network_;
};

}  // namespace mt
