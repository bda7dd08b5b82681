#include "decode/series/series_lines.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"

namespace mt {

namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();
constexpr std::size_t kMostChannels = std::size_t{1} << 20;

// The next line of text from position on, moved behind its line end; without the line end.
std::string_view next_line(std::string_view text, std::size_t& position) {
  const std::size_t end = std::min(text.find('\n', position), text.size());
  std::string_view line = text.substr(position, end - position);
  position = std::min(end + 1, text.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// "@tag rest" -> tag in lower case, and the rest; an empty tag when the line is none of these.
std::pair<std::string, std::string_view> tagged(std::string_view line) {
  if (!line.starts_with('@')) return {};
  const std::size_t end = std::min(line.find_first_of(" \t:"), line.size());
  std::string_view rest = trimmed(line.substr(end));
  if (rest.starts_with(':')) rest = trimmed(rest.substr(1));
  return {lower_ascii(line.substr(1, end - 1)), rest};
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t at = text.find_first_not_of(" \t"); at < text.size();) {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    found.push_back(text.substr(at, end - at));
    at = std::min(text.find_first_not_of(" \t", end), text.size());
  }
  return found;
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view where) : text_(text), where_(where) {
    if (text_.starts_with("\xEF\xBB\xBF")) position_ = 3;
  }

  SeriesHeader ts() {
    header_.format = SeriesFormat::ts;
    while (next()) {
      const auto [tag, rest] = tagged(line_);
      if (line_.starts_with('#') || line_.empty()) continue;
      if (tag == "data") return done();
      if (tag.empty()) throw error("is neither an @ line nor a # line, and @data has not come yet");
      ts_tag(tag, rest);
    }
    throw Error(where_, "has no @data line", "is this a .ts file?");
  }

  SeriesHeader arff() {
    header_.format = SeriesFormat::arff;
    while (next()) {
      const auto [tag, rest] = tagged(line_);
      if (line_.starts_with('%') || line_.empty() || tag == "relation") continue;
      if (tag == "data") return arff_done();
      if (tag == "end")
        in_relation_ = false;
      else if (tag == "attribute")
        attribute(rest);
      else
        throw error("is no line of an ARFF header");
    }
    throw Error(where_, "has no @data line", "is this an .arff file?");
  }

 private:
  bool next() {
    if (position_ >= text_.size()) return false;
    line_ = trimmed(next_line(text_, position_));
    ++number_;
    return true;
  }

  Error error(std::string_view why) const {
    return Error(where_, fmt::format("line {}: \"{}\" {}", number_, printable(line_.substr(0, 60)), why),
                 "correct the header");
  }

  SeriesHeader done() {
    header_.data_offset = position_;
    return std::move(header_);
  }

  bool truth(std::string_view text) const {
    const std::string word = lower_ascii(text);
    if (word != "true" && word != "false") throw error("must say true or false");
    return word == "true";
  }

  std::size_t count(std::string_view text) const {
    const auto number = parse_int(text);
    if (!number || *number < 1) throw error("needs a whole number from 1");
    return static_cast<std::size_t>(*number);
  }

  void ts_tag(const std::string& tag, std::string_view rest) {
    const std::vector<std::string_view> parts = words(rest);
    const std::string_view first = parts.empty() ? std::string_view() : parts[0];
    if (tag == "timestamps") {
      if (truth(first)) {
        throw Error(where_, fmt::format("line {}: its series have time stamps of their own", number_),
                    "write the values alone, equally spaced");
      }
    } else if (tag == "univariate") {
      if (truth(first)) header_.channels = 1;
    } else if (tag == "dimensions" || tag == "dimension") {
      header_.channels = count(first);
      if (header_.channels > kMostChannels) throw error("declares too many dimensions");
    } else if (tag == "serieslength") {
      header_.steps = count(first);
    } else if (tag == "classlabel") {
      header_.labels = truth(first);
      for (std::size_t i = 1; i < parts.size(); ++i) header_.class_names.emplace_back(parts[i]);
    } else if (tag == "targetlabel") {
      header_.targets = truth(first);
    } else if (tag != "problemname" && tag != "missing" && tag != "equallength") {
      throw error("is no line of a .ts header");
    }
  }

  // rest: "att1 numeric", "activity {Standing,Running}", "relationalAtt relational"; names may be quoted.
  void attribute(std::string_view rest) {
    std::size_t end = 0;
    if (rest.starts_with('\'') || rest.starts_with('"')) {
      end = rest.find(rest[0], 1);
      if (end == std::string_view::npos) throw error("opens a quote that never ends");
      ++end;
    } else {
      end = std::min(rest.find_first_of(" \t{"), rest.size());
    }
    const std::string_view type = trimmed(rest.substr(end));
    const std::string kind = lower_ascii(type);
    if (in_relation_) return numeric(kind, relation_steps_);
    if (header_.labels || header_.targets) throw error("stands behind the class, which must come last");
    if (type.starts_with('{')) {
      if (!type.ends_with('}')) throw error("opens a { that never ends");
      for (const std::string_view name : split(type.substr(1, type.size() - 2), ',')) {
        std::string_view bare = trimmed(name);
        if (bare.size() >= 2 && (bare[0] == '\'' || bare[0] == '"') && bare.back() == bare[0])
          bare = bare.substr(1, bare.size() - 2);
        header_.class_names.emplace_back(bare);
      }
      header_.labels = true;
    } else if (kind == "relational") {
      if (header_.relational || steps_ > 0) throw error("is a second series of a case");
      header_.relational = in_relation_ = true;
    } else if (header_.relational) {
      numeric(kind, steps_);
      header_.targets = true;
    } else {
      numeric(kind, steps_);
    }
  }

  void numeric(const std::string& kind, std::size_t& count) {
    if (kind != "numeric" && kind != "real" && kind != "integer") throw error("is no number");
    ++count;
  }

  SeriesHeader arff_done() {
    header_.steps = header_.relational ? relation_steps_ : steps_;
    if (!header_.relational) header_.channels = 1;
    if (header_.steps == 0) throw Error(where_, "declares no numeric attribute", "is this a file of time series?");
    return done();
  }

  std::string_view text_, where_, line_;
  std::size_t position_ = 0, number_ = 0, steps_ = 0, relation_steps_ = 0;
  bool in_relation_ = false;
  SeriesHeader header_;
};

void append_values(std::string_view text, char separator, std::vector<float>& values, std::string_view where) {
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    const std::string_view field = trimmed(text.substr(at, end - at));
    const auto value = parse_series_value(field);
    if (!value) {
      throw Error(where,
                  fmt::format("value {} is \"{}\", not a number", values.size() + 1, printable(field.substr(0, 40))),
                  "correct the line");
    }
    values.push_back(*value);
    at = end + 1;
  }
}

// Channels one after another, each as long as the others -> [steps, channels].
Tensor time_major(const std::vector<float>& values, std::size_t channels) {
  const std::size_t steps = channels == 0 ? 0 : values.size() / channels;
  Tensor series(DType::f32, {steps, channels});
  const std::span<float> out = series.as<float>();
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < steps; ++t) out[t * channels + c] = values[c * steps + t];
  }
  return series;
}

struct Halves {
  std::string_view series, label;
};

// Where the series ends and the class begins.
Halves halves(std::string_view line, const SeriesHeader& header) {
  if (header.format == SeriesFormat::tsv) {
    const std::size_t end = std::min(line.find('\t'), line.size());
    return {line.substr(std::min(end + 1, line.size())), trimmed(line.substr(0, end))};
  }
  if (!header.labels && !header.targets) return {line, {}};
  const std::size_t end = line.rfind(header.format == SeriesFormat::ts ? ':' : ',');
  if (end == std::string_view::npos) return {line, {}};
  return {line.substr(0, end), trimmed(line.substr(end + 1))};
}

// The quoted field of a relational attribute, without its quotes.
std::string_view unquoted(std::string_view field, std::string_view where) {
  field = trimmed(field);
  if (field.size() < 2 || (field[0] != '\'' && field[0] != '"') || field.back() != field[0])
    throw Error(where, "its series is not in quotes", "correct the line");
  return field.substr(1, field.size() - 2);
}

void require_declared(const Tensor& values, const SeriesHeader& header, std::string_view where) {
  const std::size_t steps = values.shape()[0], channels = values.shape()[1];
  if (steps == 0) throw Error(where, "has no values", "correct the line");
  if (header.channels != 0 && channels != header.channels)
    throw Error(where, fmt::format("has {} channels, the header declares {}", channels, header.channels));
  // Weka's format knows no shorter cases: unequal lengths are filled up with "?".
  if (header.steps != 0 && steps != header.steps)
    throw Error(where, fmt::format("has {} steps, the header declares {}", steps, header.steps));
}

// UCR's way of writing shorter series: NaN up to the longest one's length.
void drop_missing_end(std::vector<float>& values) {
  while (!values.empty() && std::isnan(values.back())) values.pop_back();
}

}  // namespace

std::optional<float> parse_series_value(std::string_view text) {
  if (text.empty() || text == "?") return kMissing;
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (std::isnan(value)) return kMissing;
  if (!(std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()))) return std::nullopt;
  return static_cast<float>(value);
}

SeriesHeader parse_series_header(std::string_view text, SeriesFormat format, std::string_view where) {
  switch (format) {
    case SeriesFormat::ts:
      return HeaderParser(text, where).ts();
    case SeriesFormat::arff:
      return HeaderParser(text, where).arff();
    case SeriesFormat::tsv:
      break;
  }
  SeriesHeader header;
  header.format = SeriesFormat::tsv;
  header.data_offset = text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  header.channels = 1;
  header.labels = true;
  return header;
}

std::string series_label(std::string_view line, const SeriesHeader& header) {
  const std::string_view label = halves(line, header).label;
  if (label.size() >= 2 && (label[0] == '\'' || label[0] == '"') && label.back() == label[0])
    return std::string(label.substr(1, label.size() - 2));
  return label == "?" ? std::string() : std::string(label);
}

SeriesCase parse_series_case(std::string_view line, const SeriesHeader& header, std::string_view where) {
  SeriesCase parsed;
  std::string_view series = halves(line, header).series;
  parsed.label = series_label(line, header);
  if (header.labels && !header.class_names.empty() && !parsed.label.empty() &&
      std::find(header.class_names.begin(), header.class_names.end(), parsed.label) == header.class_names.end()) {
    throw Error(where,
                fmt::format("its class \"{}\" is none of those that the header declares",
                            printable(parsed.label.substr(0, 40))),
                "correct the line, or the header");
  }
  // One channel ends at ":" in .ts, at a written "\n" in a relational attribute.
  std::string_view between;
  if (header.format == SeriesFormat::ts) between = ":";
  if (header.relational) {
    series = unquoted(series, where);
    between = "\\n";
  }
  std::vector<float> values;
  std::size_t channels = 0, steps = 0;
  for (std::size_t at = 0; at <= series.size();) {
    const std::size_t end = between.empty() ? series.size() : std::min(series.find(between, at), series.size());
    const std::size_t before = values.size();
    append_values(series.substr(at, end - at), header.format == SeriesFormat::tsv ? '\t' : ',', values, where);
    at = end + std::max<std::size_t>(1, between.size());
    if (channels++ == 0) steps = values.size();
    if (channels > kMostChannels) throw Error(where, fmt::format("has more than {} channels", kMostChannels));
    if (values.size() - before != steps) {
      throw Error(where,
                  fmt::format("its channel {} has {} steps, the first has {}", channels, values.size() - before, steps),
                  "correct the line");
    }
  }
  if (header.format == SeriesFormat::tsv) drop_missing_end(values);
  parsed.values = time_major(values, channels);
  require_declared(parsed.values, header, where);
  return parsed;
}

}  // namespace mt
