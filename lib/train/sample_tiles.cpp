#include "train/sample_tiles.h"

#include <span>
#include <vector>

namespace mt {

HeadScore score_positions(SampleMatrix& matrix, std::size_t begin, std::size_t end, std::size_t classes,
                          const Loss& loss, const TileLogits& logits_of) {
  struct Lane {
    double loss = 0;
    std::size_t right = 0;
  };
  std::vector<Lane> lanes(64);
  std::vector<std::vector<float>> logits(matrix.pool().size(), std::vector<float>(SampleMatrix::kTile * classes));
  for_each_tile(matrix, begin, end, lanes.size(), [&](const SampleTile& tile) {
    float* values = logits[tile.worker].data();
    logits_of(tile.rows, tile.count, values);
    for (std::size_t r = 0; r < tile.count; ++r) {
      const std::span<const float> row(values + r * classes, classes);
      const std::int32_t label = matrix.label(tile.first + r);
      lanes[tile.lane].loss += loss.plain(row, label);
      lanes[tile.lane].right += std::max_element(row.begin(), row.end()) - row.begin() == label ? 1 : 0;
    }
  });
  HeadScore score{.loss = 0, .accuracy = 0, .samples = end - begin};
  for (const Lane& lane : lanes) {
    score.loss += lane.loss;
    score.accuracy += static_cast<double>(lane.right);
  }
  score.loss /= static_cast<double>(end - begin);
  score.accuracy /= static_cast<double>(end - begin);
  return score;
}

}  // namespace mt
