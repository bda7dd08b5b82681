#include "evaluate/svg.h"

#include <fmt/format.h>

#include "base/text.h"

namespace mt {

namespace {

// Every picture carries its colours, so that it can stand alone; no CSS variables, which many viewers do not know.
constexpr std::string_view kStyle =
    "<style>.mt text{font:12px sans-serif;fill:#1b1f24}.mt .paper,.mt text.on{fill:#ffffff}.mt .data{fill:#0b61a4}"
    ".mt .axis{stroke:#8c959f;fill:none}.mt .grid{stroke:#8c959f;stroke-opacity:.25;fill:none}.mt "
    ".curve{fill:none;stroke-width:1.5}"
    "@media(prefers-color-scheme:dark){.mt text{fill:#e6edf3}.mt .paper,.mt text.on{fill:#0d1117}.mt "
    ".data{fill:#58a6ff}"
    "}</style>";

}  // namespace

std::string svg_opened(double width, double height, std::string_view title) {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"mt\" role=\"img\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "width=\"{0:.0f}\" height=\"{1:.0f}\"><title>{2}</title>{3}<rect class=\"paper\" width=\"100%\" "
      "height=\"100%\"/>\n",
      width, height, markup_escaped(title), kStyle);
}

std::string markup_escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace mt
