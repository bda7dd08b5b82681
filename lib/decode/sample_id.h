// How a file's path becomes a sample's id, and its folder a class.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace mt {

// A leading "./" is dropped and what is not printable UTF-8 is percent-escaped. without_extension (--ids stem): the
// file's extension is dropped, ".gz" together with what it packs, so that a.mp4 and a.wav have one id.
std::string sample_id(std::string_view path, bool without_extension);

// The name of the folder that holds the file: its class, where folders are classes.
std::string folder_name(const std::filesystem::path& file);

// Throws Error naming the first id that two of n samples have. Ids are compared by hash first, so that millions fit.
void require_unique_ids(std::size_t n, const std::function<std::string(std::size_t)>& id);

}  // namespace mt
