#include "base/json.h"

#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..." without the bracket.
std::string plain(std::string_view message) {
  if (const std::size_t end = message.find("] "); message.starts_with('[') && end != std::string_view::npos) {
    message.remove_prefix(end + 2);
  }
  return printable(message.substr(0, 200));
}

}  // namespace

nlohmann::json parse_json(std::string_view text, std::string_view where, std::size_t max_depth) {
  using Event = nlohmann::json::parse_event_t;
  // The parser would take a zero byte for the end and ignore what follows.
  if (text.find('\0') != std::string_view::npos) throw Error(where, "is not valid JSON: holds a zero byte");
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check = [&](int depth, Event event, nlohmann::json& parsed) {
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        if (static_cast<std::size_t>(depth) >= max_depth) {
          throw Error(where, fmt::format("is JSON nested deeper than {} levels", max_depth));
        }
        if (event == Event::object_start) keys.emplace_back();
        break;
      case Event::object_end:
        keys.pop_back();
        break;
      case Event::key:
        if (const auto& key = parsed.get_ref<const std::string&>(); !keys.back().insert(key).second) {
          throw Error(where, fmt::format("names \"{}\" twice in one JSON object", printable(key)));
        }
        break;
      case Event::array_end:
      case Event::value:
        break;
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text.begin(), text.end(), check);
  } catch (const nlohmann::json::exception& error) {
    throw Error(where, fmt::format("is not valid JSON: {}", plain(error.what())));
  }
}

}  // namespace mt
