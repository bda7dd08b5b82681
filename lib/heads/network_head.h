// Linear and MLP heads.
#pragma once

#include "heads/head.h"
#include "heads/network.h"

namespace mt {

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
