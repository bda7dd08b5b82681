#include "heads/network_head.h"

#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "heads/config.h"

namespace mt {

NetworkShape network_shape_from(const nlohmann::json& config, std::size_t inputs, std::size_t outputs) {
  NetworkShape shape;
  shape.inputs = inputs;
  shape.outputs = outputs;
  if (head_kind_named(config_value<std::string>(config, "kind")) == HeadKind::linear) return shape;
  shape.hidden = config_value<std::vector<std::size_t>>(config, "hidden");
  shape.activation = nonlinearity_named(config_value<std::string>(config, "activation"));
  shape.dropout = config_value<double>(config, "dropout");
  if (shape.hidden.empty()) throw Error("head", "is an mlp without hidden layers", "train it again");
  return shape;
}

void describe_network(const Network& network, Part& part) {
  const NetworkShape& shape = network.shape();
  if (!shape.hidden.empty()) {
    part.config["hidden"] = shape.hidden;
    part.config["activation"] = name_of(shape.activation);
    part.config["dropout"] = shape.dropout;
  }
  part.tensors.merge(network.tensors());
}

NetworkHead::NetworkHead(HeadDescription description, Network network)
    : Head(std::move(description)), network_(std::move(network)) {}

NetworkHead::NetworkHead(HeadDescription description, const Part& part)
    : Head(std::move(description)),
      network_(network_shape_from(part.config, this->description().width, class_names().size()), part.tensors) {}

void NetworkHead::describe(Part& part) const { describe_network(network_, part); }

}  // namespace mt
