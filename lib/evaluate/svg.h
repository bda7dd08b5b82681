// What all our pictures share: SVG without scripts, fonts or other files, which follows the reader's light or dark
// setting.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace mt {

// Text as it may stand in HTML, SVG and their attributes: markup escaped, control bytes shown as \xNN.
std::string markup_escaped(std::string_view text);

// Okabe and Ito's colours, told apart by most eyes, bright enough on light and dark paper.
inline constexpr std::array<std::string_view, 8> kCurveColours = {"#0072b2", "#e69f00", "#009e73", "#d55e00",
                                                                  "#cc79a7", "#56b4e9", "#b8a800", "#8c8c8c"};

// A picture's beginning: its size in pixels, its title for those who cannot see it, paper. Classes: text (.on: on
// data), .data (filled), .axis, .grid, .curve (a line; its stroke is to be given). To be closed with "</svg>\n".
std::string svg_opened(double width, double height, std::string_view title);

}  // namespace mt
