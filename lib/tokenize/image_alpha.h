// Transparent pictures are resized with their colours weighed by their opacity, so that colours nobody sees do not
// bleed in.
#pragma once

#include "base/tensor.h"

namespace mt {

// Takes the alpha channel out of [height, width, 2 or 4] and returns it, [height, width, 1] of the same type. Empty
// when there is none, or when it is opaque everywhere.
Tensor separated_alpha(Tensor& pixels);

// colours [height, width, channels] in 0..255 times alpha: [height, width, channels + 1] with alpha (0..255) last. u8
// when both are (rounded as Pillow's modes RGBa and La), else f32.
Tensor premultiplied(const Tensor& colours, const Tensor& alpha);
// The reverse, alpha dropped.
Tensor unpremultiplied(const Tensor& pixels);

}  // namespace mt
