// Eigen, on the calling thread alone: threads are the pipeline's business, and OpenMP's would spin. Internal to this
// folder.
#pragma once

#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>
#include <Eigen/Eigenvalues>
#include <Eigen/OrderingMethods>
#include <Eigen/QR>
#include <Eigen/SparseCholesky>
#include <Eigen/SparseCore>
