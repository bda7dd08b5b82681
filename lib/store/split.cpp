#include "store/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <unordered_map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"

namespace mt {

namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw UsageError("--split", fmt::format("\"{}\": {}", text, why), "e.g. --split train=0.8,test=0.2");
}

bool plain(std::string_view name) {
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

// Classes in ascending order with their members.
std::map<std::int32_t, std::vector<std::size_t>> classes_of(std::size_t n, std::span<const std::int32_t> labels) {
  std::map<std::int32_t, std::vector<std::size_t>> classes;
  for (std::size_t i = 0; i < n; ++i) classes[labels.empty() ? 0 : labels[i]].push_back(i);
  return classes;
}

struct Group {
  std::vector<std::size_t> members;
  std::map<std::int32_t, double> counts;  // of its classes
};

std::vector<Group> groups_of(std::span<const std::uint32_t> numbers, std::span<const std::int32_t> labels) {
  std::vector<Group> groups;
  std::unordered_map<std::uint32_t, std::size_t> places;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto [found, fresh] = places.try_emplace(numbers[i], groups.size());
    if (fresh) groups.emplace_back();
    Group& group = groups[found->second];
    group.members.push_back(i);
    group.counts[labels.empty() ? 0 : labels[i]] += 1;
  }
  return groups;
}

}  // namespace

std::vector<SplitPart> parse_split(std::string_view text) {
  std::vector<SplitPart> parts;
  double sum = 0;
  for (const std::string_view field : split(text, ',')) {
    const std::size_t equals = field.find('=');
    if (equals == std::string_view::npos) refuse(text, fmt::format("\"{}\" is not NAME=SHARE", field));
    const std::string_view name = field.substr(0, equals);
    const auto share = parse_double(field.substr(equals + 1));
    if (!plain(name))
      refuse(text, fmt::format("the name \"{}\" may hold letters, digits, \"-\", \"_\" and \".\"", name));
    if (!share || !(*share > 0) || !(*share < 1))
      refuse(text, fmt::format("the share of {} is not between 0 and 1", name));
    if (std::any_of(parts.begin(), parts.end(), [&](const SplitPart& part) { return part.name == name; })) {
      refuse(text, fmt::format("{} stands twice", name));
    }
    parts.push_back({std::string(name), *share});
    sum += *share;
  }
  if (parts.size() < 2) refuse(text, "a split has at least two parts");
  if (std::abs(sum - 1) > 1e-6) refuse(text, fmt::format("the shares sum to {:g}, not 1", sum));
  return parts;
}

std::vector<std::uint32_t> split_samples(std::size_t n, std::span<const std::int32_t> labels,
                                         std::span<const SplitPart> parts, std::uint64_t seed) {
  std::vector<std::uint32_t> part_of(n);
  std::vector<double> owed(parts.size());  // samples that each part should have got and has not
  for (auto& [label, members] : classes_of(n, labels)) {
    Random random(seed, stream_of("split", static_cast<std::uint64_t>(label)));
    const std::vector<std::size_t> order = permutation(members.size(), random);
    for (std::size_t p = 0; p < parts.size(); ++p) owed[p] += parts[p].share * static_cast<double>(members.size());
    std::vector<std::size_t> counts(parts.size());
    std::size_t given = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      // Whole samples of this class's own share; debts from classes before are paid from the remainder.
      counts[p] = static_cast<std::size_t>(parts[p].share * static_cast<double>(members.size()) + 1e-9);
      counts[p] = std::min(counts[p], members.size() - given);
      owed[p] -= static_cast<double>(counts[p]);
      given += counts[p];
    }
    for (; given < members.size(); ++given) {
      const auto p = static_cast<std::size_t>(std::max_element(owed.begin(), owed.end()) - owed.begin());
      ++counts[p];
      owed[p] -= 1;
    }
    std::size_t next = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      for (std::size_t k = 0; k < counts[p]; ++k) part_of[members[order[next++]]] = static_cast<std::uint32_t>(p);
    }
  }
  return part_of;
}

std::vector<std::uint32_t> split_groups(std::span<const std::uint32_t> groups, std::span<const std::int32_t> labels,
                                        std::span<const SplitPart> parts, std::uint64_t seed) {
  std::vector<Group> all = groups_of(groups, labels);
  Random random(seed, stream_of("split groups"));
  std::vector<std::size_t> order = permutation(all.size(), random);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return all[a].members.size() > all[b].members.size(); });
  std::map<std::int32_t, double> totals;
  for (const Group& group : all) {
    for (const auto& [label, count] : group.counts) totals[label] += count;
  }
  std::vector<std::map<std::int32_t, double>> have(parts.size());
  std::vector<double> sizes(parts.size());
  std::vector<std::uint32_t> part_of(groups.size());
  for (const std::size_t g : order) {
    std::size_t best = 0;
    double best_cost = 0;
    for (std::size_t p = 0; p < parts.size(); ++p) {
      // Change of the squared distance to the wanted counts, relative to each class, plus the same for the whole part.
      double cost = 0;
      const auto change = [&](double now, double add, double total) {
        const double wanted = parts[p].share * total;
        cost +=
            ((now + add - wanted) * (now + add - wanted) - (now - wanted) * (now - wanted)) / (parts[p].share * total);
      };
      for (const auto& [label, count] : all[g].counts) change(have[p][label], count, totals[label]);
      change(sizes[p], static_cast<double>(all[g].members.size()), static_cast<double>(groups.size()));
      if (p == 0 || cost < best_cost) {
        best = p;
        best_cost = cost;
      }
    }
    for (const auto& [label, count] : all[g].counts) have[best][label] += count;
    sizes[best] += static_cast<double>(all[g].members.size());
    for (const std::size_t i : all[g].members) part_of[i] = static_cast<std::uint32_t>(best);
  }
  return part_of;
}

}  // namespace mt
