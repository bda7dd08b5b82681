#include "decode/series/calendar.h"

#include <chrono>

#include <fmt/format.h>

namespace mt {

namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

// The next count digits of text as a number, moved behind them; -1 when there are fewer.
int digits(std::string_view& text, std::size_t count) {
  if (text.size() < count) return -1;
  int number = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return number;
}

bool skip(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

// ".25" -> 250; digits behind the third are dropped.
int fraction_ms(std::string_view& text) {
  int number = 0;
  for (int scale = 100; !text.empty() && text[0] >= '0' && text[0] <= '9'; scale /= 10) {
    number += scale * (text[0] - '0');
    text.remove_prefix(1);
  }
  return number;
}

struct Moment {
  sys_days day;
  milliseconds of_day;
};

Moment moment_of(std::int64_t time_ms) {
  const milliseconds time(time_ms);
  const sys_days day(std::chrono::floor<days>(time));
  return {day, time - day.time_since_epoch()};
}

}  // namespace

std::optional<std::int64_t> parse_time(std::string_view text) {
  const int year = digits(text, 4);
  const char separator = text.empty() ? '\0' : text[0];
  if (year < 0 || !skip(text, "-/")) return std::nullopt;
  const int month = digits(text, 2);
  if (month < 0 || text.empty() || text[0] != separator || !skip(text, "-/")) return std::nullopt;
  const int day = digits(text, 2);
  const year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day))};
  if (day < 0 || !date.ok()) return std::nullopt;
  int hour = 0, minute = 0, second = 0, ms = 0;
  if (skip(text, " T")) {
    hour = digits(text, 2);
    minute = skip(text, ":") ? digits(text, 2) : -1;
    if (skip(text, ":")) second = digits(text, 2);
    if (skip(text, ".,")) ms = fraction_ms(text);
    skip(text, "Z");
  }
  if (!text.empty() || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
    return std::nullopt;
  return std::chrono::milliseconds(sys_days(date).time_since_epoch()).count() +
         ((hour * std::int64_t{60} + minute) * 60 + second) * 1000 + ms;
}

std::string time_text(std::int64_t time_ms) {
  const auto [day, of_day] = moment_of(time_ms);
  const year_month_day date(day);
  const std::int64_t seconds = of_day.count() / 1000;
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), seconds / 3600,
                     seconds / 60 % 60, seconds % 60);
}

std::array<float, kCalendarFields> calendar_features(std::int64_t time_ms) {
  const auto [day, of_day] = moment_of(time_ms);
  const year_month_day date(day);
  const sys_days new_year(date.year() / std::chrono::January / 1);
  const auto scaled = [](double value, double most) { return static_cast<float>(value / most - 0.5); };
  return {scaled(static_cast<double>(of_day.count() / 3'600'000), 23.0),
          scaled(static_cast<double>(std::chrono::weekday(day).iso_encoding() - 1), 6.0),
          scaled(static_cast<double>(static_cast<unsigned>(date.day()) - 1), 30.0),
          scaled(static_cast<double>((day - new_year).count()), 365.0)};
}

}  // namespace mt
