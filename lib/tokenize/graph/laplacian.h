// The iterative half of laplacian_modes. Internal to this folder.
#pragma once

#include <cstdint>
#include <string_view>

#include "tokenize/graph/eigen.h"

namespace mt {

struct Modes {
  Eigen::VectorXd values;   // ascending
  Eigen::MatrixXd vectors;  // [nodes, values]
};

// The k smallest modes of the normalised Laplacian of one component, k well below its size. null: the mode of
// eigenvalue 0, of length 1. Subspace iteration with k + 8 vectors, so that eigenvalues of several dimensions are found
// with all of them. Throws Error(where).
Modes smallest_modes(const Eigen::SparseMatrix<double>& laplacian, const Eigen::VectorXd& null, int k,
                     std::string_view where);

}  // namespace mt
