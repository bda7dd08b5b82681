#include "encoder/cuda/cuda_encoder.h"

#include <algorithm>
#include <condition_variable>
#include <iterator>
#include <mutex>

#include <fmt/format.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/text.h"
#include "encoder/cuda/lane.h"
#include "encoder/encode_plan.h"

namespace mt::cuda {

namespace {

class CardEncoder final : public Encoder {
 public:
  CardEncoder(const Part& part, std::vector<std::unique_ptr<Card>> cards, Precision precision);

  const Architecture& architecture() const override { return architecture_; }
  std::size_t feature_width(const EncodeOptions& options) const override {
    return mt::feature_width(architecture_, options);
  }
  Tensor encode(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options,
                std::vector<FailedSample>* failed) override;
  std::size_t concurrency() const override { return lanes_.size(); }
  std::size_t usual_budget() const override { return budget_; }
  LayerTimes layer_times() const override { return {}; }

 private:
  // Lanes that nobody else uses while this lives: the next that is idle, or all of a card.
  class Lent {
   public:
    explicit Lent(CardEncoder& encoder) : encoder_(encoder), indexes_{encoder.take_lane()} {}
    Lent(CardEncoder& encoder, std::size_t card) : encoder_(encoder), indexes_(encoder.take_lanes(card)) {}
    ~Lent() { encoder_.give_back(indexes_); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;
    std::size_t card() const { return indexes_.front() / kLanesOfCard; }
    Lane& operator[](std::size_t i) const { return *encoder_.lanes_[indexes_[i]]; }

   private:
    CardEncoder& encoder_;
    std::vector<std::size_t> indexes_;
  };

  std::size_t take_lane();
  std::vector<std::size_t> take_lanes(std::size_t card);
  void give_back(const std::vector<std::size_t>& lanes);
  std::size_t run_some(CardJob& job, std::size_t first);
  void run_alone(CardJob& job, std::size_t sample, std::size_t card);

  Architecture architecture_;
  std::vector<std::unique_ptr<Card>> cards_;
  std::vector<std::unique_ptr<CardWeights>> weights_;  // of each card
  std::vector<std::unique_ptr<Lane>> lanes_;           // kLanesOfCard of each
  std::size_t budget_ = kMostCardTokens;
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::vector<std::size_t> idle_;  // lanes
};

// Most tokens of a batch for which every lane of the card finds room.
std::size_t budget_of(const Card& card, const Architecture& architecture, Precision precision) {
  const std::size_t room = card.free_memory() / 10 * 9 / kLanesOfCard;
  std::size_t tokens = kMostCardTokens;
  while (tokens > kRowTile && Lane::bytes_of(tokens, architecture, precision) > room) tokens /= 2;
  return tokens;
}

CardEncoder::CardEncoder(const Part& part, std::vector<std::unique_ptr<Card>> cards, Precision precision)
    : architecture_(architecture_of(part)), cards_(std::move(cards)) {
  require_card_sizes(architecture_);
  for (const auto& card : cards_) {
    const std::size_t free = card->free_memory();
    try {
      weights_.push_back(std::make_unique<CardWeights>(part, architecture_, precision, *card));
      budget_ = std::min(budget_, budget_of(*card, architecture_, precision));
      for (std::size_t i = 0; i < kLanesOfCard; ++i) {
        lanes_.push_back(std::make_unique<Lane>(*card, *weights_.back(), architecture_, precision));
      }
    } catch (const OutOfMemory&) {
      throw Error("--device cuda",
                  fmt::format("the encoder does not fit the memory of {}: {} are free of {}", card->properties().name,
                              human_bytes(free), human_bytes(card->properties().total_memory)),
                  "end what else uses the card, or use --device cpu");
    }
  }
  // One lane of each card before the second of any.
  for (std::size_t i = 0; i < kLanesOfCard; ++i) {
    for (std::size_t card = 0; card < cards_.size(); ++card) idle_.push_back(card * kLanesOfCard + i);
  }
}

std::size_t CardEncoder::take_lane() {
  std::unique_lock lock(mutex_);
  given_back_.wait(lock, [&] { return !idle_.empty(); });
  const std::size_t lane = idle_.front();
  idle_.erase(idle_.begin());
  return lane;
}

std::vector<std::size_t> CardEncoder::take_lanes(std::size_t card) {
  std::vector<std::size_t> lanes;
  std::unique_lock lock(mutex_);
  given_back_.wait(lock, [&] {
    lanes.clear();
    std::ranges::copy_if(idle_, std::back_inserter(lanes), [&](std::size_t i) { return i / kLanesOfCard == card; });
    return lanes.size() == kLanesOfCard;
  });
  std::erase_if(idle_, [&](std::size_t i) { return i / kLanesOfCard == card; });
  return lanes;
}

void CardEncoder::give_back(const std::vector<std::size_t>& lanes) {
  const std::lock_guard lock(mutex_);
  idle_.insert(idle_.end(), lanes.begin(), lanes.end());
  given_back_.notify_all();
}

// Computes samples from the first on, as many as there is room for; returns the first that is left.
std::size_t CardEncoder::run_some(CardJob& job, std::size_t first) {
  const auto rows_to = [&](std::size_t end) { return static_cast<std::size_t>(job.offsets[end] - job.offsets[first]); };
  std::size_t card = 0;
  {
    const Lent lent(*this);
    Lane& lane = lent[0];
    std::size_t last = first + 1;
    while (last < job.plan.samples() && rows_to(last + 1) <= lane.row_limit) ++last;
    try {
      lane.run(job, first, last);
      return last;
    } catch (const OutOfMemory&) {
      lane.row_limit = std::max<std::size_t>(1, rows_to(last) / 2);
      if (last - first > 1) return first;
    }
    card = lent.card();
  }
  run_alone(job, first, card);
  return first + 1;
}

// A sample for which there is no room beside the batches of the card's other lanes, or none at all.
void CardEncoder::run_alone(CardJob& job, std::size_t sample, std::size_t card) {
  const Lent lanes(*this, card);
  std::size_t rows = 0;
  for (std::size_t i = 0; i < kLanesOfCard; ++i) {
    rows = std::max(rows, lanes[i].rows());
    lanes[i].release();
  }
  try {
    lanes[0].run(job, sample, sample + 1);
  } catch (const OutOfMemory&) {
    job.plan.reasons[sample] =
        fmt::format("its {} tokens do not fit the card's memory", job.offsets[sample + 1] - job.offsets[sample]);
    return;
  }
  // From now on the lanes share what one of them had taken.
  for (std::size_t i = 0; i < kLanesOfCard && rows > 0; ++i)
    lanes[i].row_limit = std::max<std::size_t>(1, rows / kLanesOfCard);
}

Tensor CardEncoder::encode(const Tensor& tokens, std::span<const std::int64_t> offsets, const EncodeOptions& options,
                           std::vector<FailedSample>* failed) {
  CardJob job;
  job.plan = plan_samples(architecture_, tokens, offsets, options);
  if (options.merge > 0) throw Error("--merge", "cards do not merge tokens", "leave it out, or use --device cpu");
  job.tokens = tokens.as<float>().data();
  job.offsets = offsets;
  job.options = options;
  job.layers = layers_of(architecture_, options);
  job.norms = norms(architecture_, options);
  job.projects = projects(architecture_, options);
  Tensor features(DType::f32, {job.plan.output_rows(), feature_width(options)});
  job.features = features.as<float>().data();
  for (std::size_t first = 0; first < job.plan.samples();) {
    throw_if_interrupted();
    first = run_some(job, first);
  }
  report_failed(job.plan, features, failed);
  return features;
}

}  // namespace

Precision card_precision(Precision wanted, const Card& card) {
  if (wanted == Precision::int8) {
    throw Error("--dtype int8", "cards compute in f32, bf16 or f16", "--dtype bf16, or --device cpu");
  }
  return card.has(wanted) ? wanted : Precision::f32;
}

void require_card_sizes(const Architecture& a) {
  const std::size_t head_size = a.width / a.heads;
  if (std::find(std::begin(kHeadSizes), std::end(kHeadSizes), head_size) == std::end(kHeadSizes)) {
    throw Error("--device cuda",
                fmt::format("the encoder's heads are {} wide, cards know 32, 64, 80, 96 and 128", head_size),
                "use --device cpu");
  }
  if (a.mlp % 8 != 0 || a.projection % 8 != 0) {
    throw Error("--device cuda",
                fmt::format("the encoder's MLP is {} wide and its projection {}, cards need multiples of 8", a.mlp,
                            a.projection),
                "use --device cpu");
  }
}

std::unique_ptr<Encoder> make_card_encoder(const Part& encoder, std::vector<std::unique_ptr<Card>> cards,
                                           Precision precision) {
  return std::make_unique<CardEncoder>(encoder, std::move(cards), precision);
}

}  // namespace mt::cuda
