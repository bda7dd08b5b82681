// Small text helpers without locale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mt {

// Safe to print: control bytes, DEL and bytes that are not UTF-8 become \xNN, so that a file name can neither move
// the cursor nor forge a line.
std::string printable(std::string_view bytes);

// Sample ids are UTF-8: every byte that is not part of valid UTF-8, every control byte and "%" itself when it is
// followed by two hexadecimal digits becomes %NN. Reversible by percent_decoded.
std::string percent_escaped(std::string_view bytes);
std::string percent_decoded(std::string_view text);

bool is_utf8(std::string_view bytes);

// Whole-string conversions; nullopt when a single character is left over, or the value is out of range.
std::optional<std::int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);  // accepts "nan" and "inf"; callers refuse them where due

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trimmed(std::string_view text);  // ASCII white space at both ends
std::string lower_ascii(std::string_view text);

// Lower-case hexadecimal.
std::string hex(const void* data, std::size_t size);

// The candidate nearest to word in edit distance, or "" when none is near (for "did you mean").
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

// "a, b, c and 9 more": the first names, safe to print, and how many are left out.
std::string listed(const std::vector<std::string>& names, std::size_t most = 6);

// 1536 -> "1.5 KiB".
std::string human_bytes(std::uint64_t bytes);
// The reverse, as people type it: "1536", "1.5K", "2G", "512 MiB" (powers of 1024); nullopt when it is not a size.
std::optional<std::uint64_t> parse_bytes(std::string_view text);

}  // namespace mt
