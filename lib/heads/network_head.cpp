#include "heads/network_head.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"

namespace mt {

namespace {

NetworkShape shape_of(const HeadDescription& description, const Part& part) {
  NetworkShape shape;
  shape.inputs = description.width;
  shape.outputs = description.class_names.size();
  if (head_kind_named(config_value<std::string>(part.config, "kind")) == HeadKind::linear) return shape;
  shape.hidden = config_value<std::vector<std::size_t>>(part.config, "hidden");
  shape.activation = nonlinearity_named(config_value<std::string>(part.config, "activation"));
  shape.dropout = config_value<double>(part.config, "dropout");
  if (shape.hidden.empty()) throw Error("head", "is an mlp without hidden layers", "train it again");
  return shape;
}

}  // namespace

NetworkHead::NetworkHead(HeadDescription description, Network network)
    : Head(std::move(description)), network_(std::move(network)) {}

NetworkHead::NetworkHead(HeadDescription description, const Part& part)
    : Head(std::move(description)), network_(shape_of(this->description(), part), part.tensors) {}

void NetworkHead::describe(Part& part) const {
  const NetworkShape& shape = network_.shape();
  if (!shape.hidden.empty()) {
    part.config["hidden"] = shape.hidden;
    part.config["activation"] = name_of(shape.activation);
    part.config["dropout"] = shape.dropout;
  }
  part.tensors.merge(network_.tensors());
}

}  // namespace mt
