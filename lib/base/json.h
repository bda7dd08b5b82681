// JSON that somebody else wrote is a claim like every other file: strict UTF-8, no key twice, bounded depth.
#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

namespace mt {

// The value in text, which must be nothing but one JSON value. Throws Error(where, ...): syntax, a key twice in one
// object, deeper than max_depth, a number out of range.
nlohmann::json parse_json(std::string_view text, std::string_view where, std::size_t max_depth = 64);

}  // namespace mt
