// How a file's path becomes a sample's id.
#pragma once

#include <string>
#include <string_view>

namespace mt {

// A leading "./" is dropped and what is not printable UTF-8 is percent-escaped. without_extension (--ids stem): the
// file's extension is dropped, ".gz" together with what it packs, so that a.mp4 and a.wav have one id.
std::string sample_id(std::string_view path, bool without_extension);

}  // namespace mt
