// A whole image tower in plain loops and double precision: what the configuration of a model means, word for word.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "store/model.h"

namespace mt::test {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

inline Row values(const Part& part, const std::string& name) {
  const Tensor& tensor = part.at(name);
  const Tensor exact = tensor.dtype() == DType::f64 ? tensor : tensor.to(DType::f64);
  return {exact.as<double>().begin(), exact.as<double>().end()};
}

// y = weight * x + bias, weight [rows, columns] row-major
inline Row affine(const Row& x, const Row& weight, const Row& bias) {
  Row y = bias;
  for (std::size_t r = 0; r < y.size(); ++r) {
    for (std::size_t c = 0; c < x.size(); ++c) y[r] += weight[r * x.size() + c] * x[c];
  }
  return y;
}

inline Row normed(const Row& x, const Part& part, const std::string& name, double eps) {
  double mean = 0, variance = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(x.size());
  const Row weight = values(part, name + ".weight"), bias = values(part, name + ".bias");
  Row y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) / std::sqrt(variance + eps) * weight[i] + bias[i];
  return y;
}

inline double activated(double x, const std::string& kind) {
  return kind == "quick_gelu" ? x / (1 + std::exp(-1.702 * x)) : 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

inline void add(Row& x, const Row& y) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] += y[i];
}

// image: [channels, side, side], already normalised, of the size that the positions belong to.
inline Rows tokens_of(const Part& tokenizer, const Row& image) {
  const std::size_t side = tokenizer.config["image_size"][0], patch = tokenizer.config["patch"],
                    channels = tokenizer.config["channels"];
  const std::size_t width = tokenizer.config["width"], grid = side / patch;
  const Row weight = values(tokenizer, "patch.weight");
  const Row bias = tokenizer.has("patch.bias") ? values(tokenizer, "patch.bias") : Row(width, 0);
  Rows rows;
  if (tokenizer.has("cls")) rows.push_back(values(tokenizer, "cls"));
  for (std::size_t r = 0; r < grid; ++r) {
    for (std::size_t c = 0; c < grid; ++c) {
      Row pixels;
      for (std::size_t k = 0; k < channels; ++k) {
        for (std::size_t y = 0; y < patch; ++y) {
          for (std::size_t x = 0; x < patch; ++x)
            pixels.push_back(image[(k * side + r * patch + y) * side + c * patch + x]);
        }
      }
      rows.push_back(affine(pixels, weight, bias));
    }
  }
  const Row positions = values(tokenizer, "positions");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t d = 0; d < width; ++d) rows[i][d] += positions[i * width + d];
    if (tokenizer.has("pre_norm.weight")) rows[i] = normed(rows[i], tokenizer, "pre_norm", tokenizer.config["eps"]);
  }
  return rows;
}

inline void attend(const Part& encoder, const std::string& block, Rows& rows) {
  const std::size_t width = encoder.config["width"], heads = encoder.config["heads"], dim = width / heads;
  const double scale = encoder.config["scale"], eps = encoder.config["eps"];
  const Row qkv_weight = values(encoder, block + "attn.qkv.weight"),
            qkv_bias = values(encoder, block + "attn.qkv.bias");
  Rows qkv, mixed(rows.size(), Row(width, 0));
  for (const Row& row : rows) qkv.push_back(affine(normed(row, encoder, block + "norm1", eps), qkv_weight, qkv_bias));
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Row weights(rows.size(), 0);
      double sum = 0;
      for (std::size_t j = 0; j < rows.size(); ++j) {
        for (std::size_t d = 0; d < dim; ++d) weights[j] += scale * qkv[i][h * dim + d] * qkv[j][width + h * dim + d];
      }
      const double largest = *std::max_element(weights.begin(), weights.end());
      for (double& w : weights) sum += w = std::exp(w - largest);
      for (std::size_t j = 0; j < rows.size(); ++j) {
        for (std::size_t d = 0; d < dim; ++d)
          mixed[i][h * dim + d] += weights[j] / sum * qkv[j][2 * width + h * dim + d];
      }
    }
  }
  const Row proj_weight = values(encoder, block + "attn.proj.weight"),
            proj_bias = values(encoder, block + "attn.proj.bias");
  for (std::size_t i = 0; i < rows.size(); ++i) add(rows[i], affine(mixed[i], proj_weight, proj_bias));
}

inline void run_blocks(const Part& encoder, Rows& rows) {
  for (std::size_t i = 0; i < encoder.config["blocks"].get<std::size_t>(); ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    attend(encoder, block, rows);
    const Row w1 = values(encoder, block + "mlp.fc1.weight"), b1 = values(encoder, block + "mlp.fc1.bias");
    const Row w2 = values(encoder, block + "mlp.fc2.weight"), b2 = values(encoder, block + "mlp.fc2.bias");
    for (Row& row : rows) {
      Row hidden = affine(normed(row, encoder, block + "norm2", encoder.config["eps"]), w1, b1);
      for (double& v : hidden) v = activated(v, encoder.config["activation"]);
      add(row, affine(hidden, w2, b2));
    }
  }
}

// prefix: leading rows that the mean leaves out.
inline Row pooled(const Part& encoder, Rows rows, std::size_t prefix) {
  const std::string norm = encoder.config["norm"];
  if (norm == "before_pooling") {
    for (Row& row : rows) row = normed(row, encoder, "norm", encoder.config["eps"]);
  }
  Row result = rows[0];
  if (encoder.config["pooling"] == "mean") {
    std::fill(result.begin(), result.end(), 0);
    for (std::size_t i = prefix; i < rows.size(); ++i) add(result, rows[i]);
    for (double& v : result) v /= static_cast<double>(rows.size() - prefix);
  }
  if (encoder.config["pooling"] == "max") {
    result = rows[prefix];
    for (std::size_t i = prefix; i < rows.size(); ++i) {
      for (std::size_t d = 0; d < result.size(); ++d) result[d] = std::max(result[d], rows[i][d]);
    }
  }
  if (encoder.config["pooling"] == "eot") result = rows.back();
  if (norm == "after_pooling") result = normed(result, encoder, "norm", encoder.config["eps"]);
  if (!encoder.has("projection")) return result;
  const Row projection = values(encoder, "projection");
  Row out(encoder.at("projection").columns(), 0);
  for (std::size_t r = 0; r < result.size(); ++r) {
    for (std::size_t c = 0; c < out.size(); ++c) out[c] += result[r] * projection[r * out.size() + c];
  }
  return out;
}

inline Row tower_output(const Model& model, const Row& image) {
  Rows rows = tokens_of(model.part("tokenizer/image"), image);
  run_blocks(model.part("encoder"), rows);
  return pooled(model.part("encoder"), std::move(rows), model.part("tokenizer/image").has("cls") ? 1 : 0);
}

}  // namespace mt::test
