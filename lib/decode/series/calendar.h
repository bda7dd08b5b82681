// Dates and times of day as files write them, and what a calendar says of them. The Gregorian calendar without time
// zones or leap seconds: a time is what a clock on the wall showed.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mt {

// Milliseconds since 1970-01-01 00:00. "2016-07-01", "2016-07-01 13:00", "2016-07-01T13:00:05.250Z", "2016/07/01
// 13:00": year, month, day; a zone other than Z is refused. nullopt for everything else, days and hours that do not
// exist too.
std::optional<std::int64_t> parse_time(std::string_view text);

std::string time_text(std::int64_t time_ms);  // "2016-07-01 13:00:00"

inline constexpr std::size_t kCalendarFields = 4;
// Hour, weekday (Monday first), day of the month, day of the year, each scaled to -0.5 ... 0.5: hour / 23 - 0.5,
// weekday / 6 - 0.5, (day - 1) / 30 - 0.5, (day of the year - 1) / 365 - 0.5, as the Time-Series-Library's
// time_features for hourly data.
std::array<float, kCalendarFields> calendar_features(std::int64_t time_ms);

}  // namespace mt
