// What all batches of one sample file have in common: its root attributes and which columns it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/tensor.h"

namespace mt {

enum class Kind : std::uint8_t { tokens, patches, features, model, predictions };
std::string_view name_of(Kind kind);
Kind kind_named(std::string_view name);  // throws Error

inline constexpr int kFormat = 1;  // mt_format of the files that we write

struct Schema {
  Kind kind = Kind::tokens;
  std::string modality;  // "image", ...; empty when unknown
  std::string creator;   // mt_creator, e.g. "mt-tokenize 0.1.0"
  nlohmann::json config =
      nlohmann::json::object();  // mt_config: every setting that decides the result, and none that does not

  std::size_t width = 0;     // columns of /tokens, /patches or /features
  DType dtype = DType::f32;  // f32, f16 or u8 (patches only)
  bool ragged = true;        // /offsets present
  bool has_labels = false;
  std::vector<std::string> label_names;   // class names, by number
  std::size_t target_width = 0;           // columns of /targets, 0: none
  std::vector<std::string> target_names;  // [target_width] or empty
  // Columns of /numbers: what goes round the encoder, beside a sample's pooled feature.
  std::size_t number_width = 0;
  std::vector<std::string> number_names;  // [number_width] or empty
  std::size_t code_width = 0;             // columns of /codes
  bool has_centers = false, has_token_labels = false, has_grid = false, has_boxes = false;

  // Attributes of /tokens and of per-token /features.
  std::size_t prefix = 0;  // leading tokens that are not data (CLS; the graph's two)
  bool positions = true;   // already added
  bool pre_norm = true;    // already applied, or the model has none
  std::string source;      // digest of the tokenizer's model (hexadecimal), or empty

  std::string_view rows_name() const;  // "tokens", "patches", "features" or "predictions"; logic_error for a model
};

// Where two schemas first differ, both sides named ("/tokens is 512 wide, not 768"); empty when they are equal.
// Creators may differ: another version that does the same gives the same file.
std::string difference(const Schema& found, const Schema& expected);

// What a run may do otherwise than the run that it goes on from.
struct Mixing {
  std::vector<std::string> settings;  // of mt_config, by name: device and precision, say
  bool allowed = false;               // else a difference there is refused, with the way to allow it
};

}  // namespace mt
