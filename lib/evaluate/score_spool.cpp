#include "evaluate/score_spool.h"

#include <algorithm>
#include <stdexcept>

namespace mt {

ScoreSpool::ScoreSpool(std::size_t columns, const std::filesystem::path& directory, std::size_t memory_limit)
    : columns_(columns), limit_(std::max(memory_limit / sizeof(float), columns)), file_(directory) {}

void ScoreSpool::add(std::span<const float> row) {
  if (row.size() != columns_) throw std::logic_error("ScoreSpool: another number of columns");
  if (memory_.size() + columns_ > limit_) {
    file_.append(std::as_bytes(std::span(memory_)));
    memory_.clear();
  }
  memory_.insert(memory_.end(), row.begin(), row.end());
  ++rows_;
}

void ScoreSpool::for_each(const std::function<void(std::size_t, std::span<const float>)>& visit) {
  std::size_t row = 0;
  const auto show = [&](std::span<const float> values) {
    for (std::size_t i = 0; i < values.size(); i += columns_) visit(row++, values.subspan(i, columns_));
  };
  file_.for_each_block(columns_ * sizeof(float), [&](std::span<const std::byte> block) {
    show({reinterpret_cast<const float*>(block.data()), block.size() / sizeof(float)});
  });
  show(memory_);
}

}  // namespace mt
