// Numbers that tell the nodes of a graph apart (Kim et al., "Pure Transformers are powerful graph learners", NeurIPS
// 2022): where a node lies in the graph's slowest modes, or a random direction of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/tensor.h"

namespace mt {

using GraphEdges = std::span<const std::array<std::uint32_t, 2>>;

struct LaplacianModes {
  Tensor values;   // [k] f64, ascending; NaN behind the last one of a smaller graph
  Tensor vectors;  // [nodes, k] f64, columns of length 1, zeros behind the last
};
// The k smallest eigenvalues of I - D^-1/2 A D^-1/2 and their vectors. A is 0 or 1 and symmetric: an edge of any
// direction, once; self loops count. Degrees are at least 1, so that a node without edges has the eigenvalue 1. Of each
// vector the first entry within 1e-6 of the largest magnitude is positive. Graphs up to dense_nodes are solved whole;
// larger ones component by component, iteratively (shift-invert where the factor stays sparse, else a Chebyshev
// filter). Throws Error(where): no convergence within a bounded number of steps.
LaplacianModes laplacian_modes(std::size_t nodes, GraphEdges edges, std::size_t k, std::string_view where,
                               std::size_t dense_nodes = 400);

// The nodes' rows of a random orthogonal matrix, of which k columns are kept, brought to length 1: [nodes, k] f32,
// zeros in the columns that a smaller graph does not have.
Tensor orthogonal_features(std::size_t nodes, std::size_t k, std::uint64_t seed, std::uint64_t key);

}  // namespace mt
