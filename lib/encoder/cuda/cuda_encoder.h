// The executor for cards behind the encoder's interface.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoder/cuda/device.h"
#include "encoder/encoder.h"

namespace mt::cuda {

// The precision that a card gives when `wanted` is asked for: bf16 is float32 on cards that are too old for it. Throws
// Error for int8, which no card computes yet.
Precision card_precision(Precision wanted, const Card& card);

// Throws Error when the encoder cannot run on cards: heads of a size for which there is no attention, sizes that are
// not multiples of 8.
void require_card_sizes(const Architecture& architecture);

// Each card holds the weights once and takes kLanesOfCard batches at a time, one computing while the other is copied.
inline constexpr std::size_t kLanesOfCard = 2;
// The most tokens of a batch when nobody says: enough to fill a large card.
inline constexpr std::size_t kMostCardTokens = 16384;

// The bytes of a sample's features depend on the kind of card, the versions of the driver library and the precision,
// never on batch mates, the batch or the number of cards. Throws Error as above, and when the weights do not fit.
std::unique_ptr<Encoder> make_card_encoder(const Part& encoder, std::vector<std::unique_ptr<Card>> cards,
                                           Precision precision);

}  // namespace mt::cuda
