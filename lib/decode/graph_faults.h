// Why single graphs of a data set cannot be used, gathered while it is read. Internal to the readers of graph_set.h.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace mt {

class GraphFaults {
 public:
  // The first of a graph stands.
  void add(std::size_t graph, const Error& error) {
    if (!first_) first_ = error;
    if (of_.size() <= graph) of_.resize(graph + 1);
    if (!of_[graph].empty()) return;
    of_[graph] = error.what();
    ++graphs_;
  }

  // As GraphSet::faults has them: empty when all graphs are whole. Throws the first fault when none is.
  std::vector<std::string> of(std::size_t graphs) && {
    if (graphs_ == 0) return {};
    if (graphs_ == graphs) throw *first_;
    of_.resize(graphs);
    return std::move(of_);
  }

 private:
  std::optional<Error> first_;
  std::vector<std::string> of_;
  std::size_t graphs_ = 0;  // with a fault
};

}  // namespace mt
