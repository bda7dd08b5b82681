#include "tokenize/graph/node_identifiers.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "base/random.h"
#include "tokenize/graph/laplacian.h"

namespace mt {

namespace {

using Sparse = Eigen::SparseMatrix<double>;

// Neighbours of each node, ascending, each once; a self loop makes a node its own.
struct Adjacency {
  std::vector<std::size_t> offsets;
  std::vector<std::uint32_t> neighbours;

  std::span<const std::uint32_t> of(std::size_t node) const {
    return std::span(neighbours).subspan(offsets[node], offsets[node + 1] - offsets[node]);
  }
};

Adjacency adjacency_of(std::size_t nodes, GraphEdges edges) {
  std::vector<std::array<std::uint32_t, 2>> pairs;
  pairs.reserve(2 * edges.size());
  for (const auto& [from, to] : edges) {
    pairs.push_back({from, to});
    pairs.push_back({to, from});
  }
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  Adjacency adjacency;
  adjacency.offsets.assign(nodes + 1, 0);
  for (const auto& [from, to] : pairs) {
    ++adjacency.offsets[from + 1];
    adjacency.neighbours.push_back(to);
  }
  std::partial_sum(adjacency.offsets.begin(), adjacency.offsets.end(), adjacency.offsets.begin());
  return adjacency;
}

double degree_of(const Adjacency& adjacency, std::size_t node) {
  return static_cast<double>(std::max<std::size_t>(1, adjacency.of(node).size()));
}

// The normalised Laplacian of these nodes, which have no edges to others. local: of each node its place among them.
Sparse laplacian_of(const Adjacency& adjacency, const std::vector<std::uint32_t>& nodes,
                    const std::vector<std::uint32_t>& local) {
  std::vector<Eigen::Triplet<double>> entries;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    entries.emplace_back(static_cast<int>(i), static_cast<int>(i), 1);
    for (const std::uint32_t other : adjacency.of(nodes[i])) {
      entries.emplace_back(static_cast<int>(i), static_cast<int>(local[other]),
                           -1 / std::sqrt(degree_of(adjacency, nodes[i]) * degree_of(adjacency, other)));
    }
  }
  Sparse matrix(static_cast<Eigen::Index>(nodes.size()), static_cast<Eigen::Index>(nodes.size()));
  matrix.setFromTriplets(entries.begin(), entries.end());
  return matrix;
}

Modes dense_modes(const Sparse& laplacian, std::size_t k) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver{Eigen::MatrixXd(laplacian)};
  const auto count = static_cast<Eigen::Index>(std::min<std::size_t>(k, static_cast<std::size_t>(laplacian.rows())));
  return {solver.eigenvalues().head(count), solver.eigenvectors().leftCols(count)};
}

// Connected components, by their lowest nodes.
std::vector<std::vector<std::uint32_t>> components_of(const Adjacency& adjacency, std::size_t nodes) {
  std::vector<std::vector<std::uint32_t>> components;
  std::vector<bool> seen(nodes);
  for (std::uint32_t start = 0; start < nodes; ++start) {
    if (seen[start]) continue;
    seen[start] = true;
    std::vector<std::uint32_t> members = {start};
    for (std::size_t at = 0; at < members.size(); ++at) {
      for (const std::uint32_t next : adjacency.of(members[at])) {
        if (seen[next]) continue;
        seen[next] = true;
        members.push_back(next);
      }
    }
    std::sort(members.begin(), members.end());
    components.push_back(std::move(members));
  }
  return components;
}

// The mode of eigenvalue 0 of a component: the roots of its degrees.
Eigen::VectorXd null_mode(const Adjacency& adjacency, const std::vector<std::uint32_t>& members) {
  Eigen::VectorXd mode(static_cast<Eigen::Index>(members.size()));
  for (std::size_t i = 0; i < members.size(); ++i) {
    mode[static_cast<Eigen::Index>(i)] = std::sqrt(degree_of(adjacency, members[i]));
  }
  return mode.normalized();
}

// One mode of one component.
struct Candidate {
  double value = 0;
  std::size_t component = 0;
  Eigen::VectorXd vector;
};

std::vector<Candidate> modes_of_component(const Adjacency& adjacency, const std::vector<std::uint32_t>& members,
                                          const std::vector<std::uint32_t>& local, std::size_t component, std::size_t k,
                                          std::size_t dense_nodes, std::string_view where) {
  const Sparse laplacian = laplacian_of(adjacency, members, local);
  const bool dense = members.size() <= std::max<std::size_t>(dense_nodes, 4 * k);
  const Modes modes = dense ? dense_modes(laplacian, k)
                            : smallest_modes(laplacian, null_mode(adjacency, members), static_cast<int>(k), where);
  std::vector<Candidate> found;
  for (Eigen::Index j = 0; j < modes.values.size(); ++j)
    found.push_back({modes.values[j], component, modes.vectors.col(j)});
  return found;
}

void write_mode(const Eigen::VectorXd& mode, const std::vector<std::uint32_t>& members, std::size_t column,
                LaplacianModes& out) {
  const double largest = mode.cwiseAbs().maxCoeff();
  double sign = 1;
  for (Eigen::Index i = 0; i < mode.size(); ++i) {
    if (std::abs(mode[i]) < largest - 1e-6) continue;
    sign = mode[i] < 0 ? -1 : 1;
    break;
  }
  for (std::size_t i = 0; i < members.size(); ++i) {
    out.vectors.row<double>(members[i])[column] = sign * mode[static_cast<Eigen::Index>(i)];
  }
}

}  // namespace

LaplacianModes laplacian_modes(std::size_t nodes, GraphEdges edges, std::size_t k, std::string_view where,
                               std::size_t dense_nodes) {
  LaplacianModes result{Tensor(DType::f64, {k}), Tensor(DType::f64, {nodes, k})};
  std::ranges::fill(result.values.as<double>(), std::numeric_limits<double>::quiet_NaN());
  if (nodes == 0 || k == 0) return result;
  const Adjacency adjacency = adjacency_of(nodes, edges);
  std::vector<std::vector<std::uint32_t>> components;
  if (nodes <= dense_nodes) {
    components.emplace_back(nodes);  // solved whole, connected or not
    std::iota(components[0].begin(), components[0].end(), 0U);
  } else {
    components = components_of(adjacency, nodes);
  }
  std::vector<std::uint32_t> local(nodes);
  for (const auto& members : components) {
    for (std::size_t i = 0; i < members.size(); ++i) local[members[i]] = static_cast<std::uint32_t>(i);
  }

  // Each component with an edge has the eigenvalue 0 once: where these are k, nothing else has to be solved.
  std::vector<Candidate> candidates;
  if (components.size() >= k) {
    for (std::size_t c = 0; c < components.size() && candidates.size() < k; ++c) {
      if (!adjacency.of(components[c][0]).empty()) candidates.push_back({0, c, null_mode(adjacency, components[c])});
    }
  }
  if (candidates.size() < k) {
    candidates.clear();
    std::size_t isolated = 0;
    for (std::size_t c = 0; c < components.size(); ++c) {
      const bool alone = components[c].size() == 1 && adjacency.of(components[c][0]).empty();
      if (alone && ++isolated > k) continue;  // all of eigenvalue 1: the first k stand for them
      const auto found = modes_of_component(adjacency, components[c], local, c, k, dense_nodes, where);
      candidates.insert(candidates.end(), found.begin(), found.end());
      std::stable_sort(candidates.begin(), candidates.end(),
                       [](const Candidate& a, const Candidate& b) { return a.value < b.value; });
      if (candidates.size() > k) candidates.resize(k);
    }
  }
  for (std::size_t j = 0; j < candidates.size(); ++j) {
    result.values.as<double>()[j] = candidates[j].value;
    write_mode(candidates[j].vector, components[candidates[j].component], j, result);
  }
  return result;
}

Tensor orthogonal_features(std::size_t nodes, std::size_t k, std::uint64_t seed, std::uint64_t key) {
  Tensor features(DType::f32, {nodes, k});
  const std::size_t columns = std::min(nodes, k);
  if (columns == 0) return features;
  Random random(seed, stream_of("orthogonal features", key));
  Eigen::MatrixXd gauss(static_cast<Eigen::Index>(nodes), static_cast<Eigen::Index>(columns));
  for (Eigen::Index i = 0; i < gauss.rows(); ++i) {
    for (Eigen::Index j = 0; j < gauss.cols(); ++j) gauss(i, j) = random.normal();
  }
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(gauss);
  // The sign of R's diagonal makes the columns uniformly distributed (Mezzadri, 2007).
  const Eigen::MatrixXd basis = qr.householderQ() * Eigen::MatrixXd::Identity(gauss.rows(), gauss.cols());
  const Eigen::VectorXd diagonal = qr.matrixQR().diagonal();
  for (std::size_t i = 0; i < nodes; ++i) {
    const auto row = static_cast<Eigen::Index>(i);
    const double length = basis.row(row).norm();
    for (std::size_t j = 0; j < columns; ++j) {
      const auto column = static_cast<Eigen::Index>(j);
      const double value = basis(row, column) * (diagonal[column] < 0 ? -1 : 1);
      features.row<float>(i)[j] = static_cast<float>(length > 0 ? value / length : 0);
    }
  }
  return features;
}

}  // namespace mt
