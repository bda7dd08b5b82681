#include "store/schema.h"

#include <array>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr std::array<std::pair<Kind, std::string_view>, 5> kKinds = {{{Kind::tokens, "tokens"},
                                                                      {Kind::patches, "patches"},
                                                                      {Kind::features, "features"},
                                                                      {Kind::model, "model"},
                                                                      {Kind::predictions, "predictions"}}};

std::string presence(std::string_view name, bool found) {
  return found ? fmt::format("/{} is there and should not be", name) : fmt::format("/{} is missing", name);
}

// The first setting that two configurations do not share.
std::string setting_difference(const nlohmann::json& found, const nlohmann::json& expected) {
  if (!found.is_object() || !expected.is_object()) return "mt_config differs";
  const auto shown = [](const nlohmann::json& config, const std::string& key) {
    const auto entry = config.find(key);
    return entry == config.end() ? std::string("absent")
                                 : entry->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  for (const nlohmann::json* config : {&expected, &found}) {
    for (const auto& [key, value] : config->items()) {
      if (shown(found, key) != shown(expected, key)) {
        return fmt::format("setting {} is {}, not {}", key, shown(found, key), shown(expected, key));
      }
    }
  }
  return "mt_config differs";
}

std::string names_difference(std::string_view what, const std::vector<std::string>& found,
                             const std::vector<std::string>& expected) {
  if (found.size() != expected.size()) {
    return fmt::format("/{} has {} names, not {}", what, found.size(), expected.size());
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (found[i] != expected[i]) return fmt::format("name {} of /{} is {}, not {}", i, what, found[i], expected[i]);
  }
  return {};
}

}  // namespace

std::string_view name_of(Kind kind) {
  for (const auto& [value, name] : kKinds) {
    if (value == kind) return name;
  }
  throw std::logic_error("unknown Kind");
}

Kind kind_named(std::string_view name) {
  for (const auto& [value, known] : kKinds) {
    if (known == name) return value;
  }
  throw Error("mt_kind", fmt::format("is {}, known are tokens, patches, features, model and predictions", name));
}

std::string_view Schema::rows_name() const {
  if (kind == Kind::model) throw std::logic_error("a model file has no rows");
  return name_of(kind);
}

std::string difference(const Schema& found, const Schema& expected) {
  if (found.kind != expected.kind) {
    return fmt::format("it holds {}, not {}", name_of(found.kind), name_of(expected.kind));
  }
  if (found.modality != expected.modality) {
    return fmt::format("its modality is {}, not {}", found.modality.empty() ? "unknown" : found.modality,
                       expected.modality.empty() ? "unknown" : expected.modality);
  }
  if (found.config != expected.config) return setting_difference(found.config, expected.config);
  const std::string_view rows = found.rows_name();
  if (found.width != expected.width) return fmt::format("/{} is {} wide, not {}", rows, found.width, expected.width);
  if (found.dtype != expected.dtype) {
    return fmt::format("/{} is {}, not {}", rows, name_of(found.dtype), name_of(expected.dtype));
  }
  if (found.ragged != expected.ragged) return presence("offsets", found.ragged);
  if (found.has_labels != expected.has_labels) return presence("labels", found.has_labels);
  if (std::string text = names_difference("label_names", found.label_names, expected.label_names); !text.empty())
    return text;
  if (found.target_width != expected.target_width) {
    return fmt::format("/targets is {} wide, not {}", found.target_width, expected.target_width);
  }
  if (std::string text = names_difference("target_names", found.target_names, expected.target_names); !text.empty())
    return text;
  if (found.number_width != expected.number_width) {
    return fmt::format("/numbers is {} wide, not {}", found.number_width, expected.number_width);
  }
  if (std::string text = names_difference("number_names", found.number_names, expected.number_names); !text.empty())
    return text;
  if (found.code_width != expected.code_width) {
    return fmt::format("/codes is {} wide, not {}", found.code_width, expected.code_width);
  }
  if (found.has_centers != expected.has_centers) return presence("centers", found.has_centers);
  if (found.has_token_labels != expected.has_token_labels) return presence("token_labels", found.has_token_labels);
  if (found.has_grid != expected.has_grid) return presence("grid", found.has_grid);
  if (found.has_boxes != expected.has_boxes) return presence("boxes", found.has_boxes);
  if (found.prefix != expected.prefix) return fmt::format("its prefix is {}, not {}", found.prefix, expected.prefix);
  if (found.positions != expected.positions) {
    return found.positions ? "positions are applied, and should not be" : "positions are not applied, and should be";
  }
  if (found.pre_norm != expected.pre_norm) {
    return found.pre_norm ? "the pre-norm is applied, and should not be" : "the pre-norm is not applied, and should be";
  }
  if (found.source != expected.source) {
    return fmt::format("its source is {}, not {}", found.source.empty() ? "unknown" : found.source,
                       expected.source.empty() ? "unknown" : expected.source);
  }
  return {};
}

}  // namespace mt
