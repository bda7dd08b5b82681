#include "tokenize/tabular/table_fit.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "tokenize/tabular/number_scale.h"

namespace mt {

namespace {

constexpr std::size_t kMostCategories = 1'000'000;

struct Hash : std::hash<std::string_view> {
  using is_transparent = void;
};

enum class Use : std::uint8_t { guess, numeric, categorical, dropped };

struct Profile {
  Use use = Use::guess;
  std::uint64_t values = 0, missing = 0, numbers = 0;
  Moments moments;
  QuantileSample sample;
  std::unordered_map<std::string, std::uint64_t, Hash, std::equal_to<>> categories;
};

class Fit {
 public:
  Fit(const TableSource& source, const TableFitting& fitting)
      : source_(source), fitting_(fitting), missing_(fitting.missing), profiles_(source.columns().size()) {
    const auto set = [&](const std::vector<std::size_t>& columns, Use use) {
      for (const std::size_t column : columns) profiles_.at(column).use = use;
    };
    set(fitting.numeric, Use::numeric);
    set(fitting.categorical, Use::categorical);
    set(fitting.dropped, Use::dropped);
  }

  FittedTable run() {
    guess_kinds();
    collect();
    std::vector<TableColumn> columns;
    std::vector<std::string> summary;
    for (std::size_t c = 0; c < profiles_.size(); ++c) {
      if (profiles_[c].use != Use::dropped) columns.push_back(column_of(c));
      summary.push_back(summary_of(c, columns.empty() ? nullptr : &columns.back()));
    }
    if (columns.empty()) throw Error("columns", "none is left to make tokens of", "drop fewer");
    return {TableSchema(std::move(columns), fitting_.scale, fitting_.missing, fitting_.bypass_numeric),
            std::move(summary)};
  }

 private:
  void guess_kinds() {
    source_.for_each([&](const TableRow* row) {
      if (row == nullptr) return;
      ++rows_;
      for (std::size_t c = 0; c < profiles_.size(); ++c) {
        Profile& profile = profiles_[c];
        if (missing_.contains((*row)[c])) {
          ++profile.missing;
          continue;
        }
        ++profile.values;
        // Once a text was seen the column is decided.
        if (profile.use == Use::guess && profile.numbers + 1 == profile.values && parse_double((*row)[c])) {
          ++profile.numbers;
        }
      }
    });
    if (rows_ == 0) throw Error("table", "holds no row that can be read", "give training data");
    for (Profile& profile : profiles_) {
      if (profile.use != Use::guess) continue;
      profile.use = profile.values == 0                 ? Use::dropped
                    : profile.numbers == profile.values ? Use::numeric
                                                        : Use::categorical;
    }
  }

  void collect() {
    std::uint64_t place = 0;
    source_.for_each([&](const TableRow* row) {
      if (row == nullptr) return;
      ++place;
      for (std::size_t c = 0; c < profiles_.size(); ++c) {
        const std::string_view field = (*row)[c];
        if (profiles_[c].use == Use::numeric) add_number(profiles_[c], field, place);
        if (profiles_[c].use == Use::categorical && !missing_.contains(field)) add_category(c, field);
      }
    });
  }

  void add_number(Profile& profile, std::string_view field, std::uint64_t place) const {
    if (missing_.contains(field)) return;
    const auto x = parse_double(field);
    if (!x || !std::isfinite(*x)) return;
    if (fitting_.scale == NumberScale::quantile) profile.sample.add(*x, place);
    profile.moments.add(*x);
  }

  void add_category(std::size_t c, std::string_view field) {
    auto& categories = profiles_[c].categories;
    if (const auto found = categories.find(field); found != categories.end()) {
      ++found->second;
      return;
    }
    if (categories.size() == kMostCategories) {
      throw Error(fmt::format("column \"{}\"", source_.columns()[c]),
                  fmt::format("has more than {} categories", kMostCategories), "--drop it, or take it as --numeric");
    }
    categories.emplace(field, 1);
  }

  TableColumn column_of(std::size_t c) const {
    const Profile& profile = profiles_[c];
    TableColumn column;
    column.name = source_.columns()[c];
    column.numeric = profile.use == Use::numeric;
    if (!column.numeric) {
      for (const auto& [name, count] : profile.categories) {
        if (count >= fitting_.min_count) column.categories.push_back(name);
      }
      std::sort(column.categories.begin(), column.categories.end());
    } else if (fitting_.scale == NumberScale::standard) {
      column.mean = profile.moments.mean();
      column.deviation = profile.moments.deviation();
    } else {
      column.quantiles = profile.sample.quantiles(std::min<std::size_t>(fitting_.quantiles, rows_));
    }
    return column;
  }

  std::string summary_of(std::size_t c, const TableColumn* column) const {
    const Profile& profile = profiles_[c];
    const std::string name = printable(source_.columns()[c]);
    const std::string missing = profile.missing > 0 ? fmt::format(", {} missing", profile.missing) : "";
    if (profile.use == Use::dropped) return fmt::format("{}: left out{}", name, profile.values == 0 ? missing : "");
    if (profile.use == Use::numeric) {
      return fmt::format("{}: numeric, mean {:.5g}, deviation {:.5g}{}", name, profile.moments.mean(),
                         profile.moments.deviation(), missing);
    }
    const std::size_t distinct = profile.categories.size();
    const bool like_ids = distinct > 50 && 2 * distinct > profile.values;
    return fmt::format("{}: {} categories{}{}{}", name, column->categories.size(),
                       distinct > column->categories.size()
                           ? fmt::format(" ({} rarer ones unknown)", distinct - column->categories.size())
                           : "",
                       missing, like_ids ? "; most rows have one of their own: --drop it?" : "");
  }

  const TableSource& source_;
  const TableFitting& fitting_;
  MissingWords missing_;
  std::vector<Profile> profiles_;
  std::uint64_t rows_ = 0;
};

}  // namespace

FittedTable fit_table(const TableSource& source, const TableFitting& fitting) { return Fit(source, fitting).run(); }

}  // namespace mt
