#include "train/patch_tokenizer.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/text.h"
#include "tokenize/image_tokenizer.h"
#include "tokenize/positions.h"
#include "train/picture_layout.h"

namespace mt {

namespace {

// The part with its positions resized to pictures of this size.
Part resized(Part part, const ImageModel& model, Size size) {
  if (!model.positions || model.size == size) return part;
  const Size from{model.size.height / model.patch, model.size.width / model.patch};
  const Size to{size.height / model.patch, size.width / model.patch};
  const auto kind = position_resize_named(part.config.value("position_resize", "antialias"));
  part.tensors["positions"] = resized_positions(part.at("positions").to(DType::f32), model.cls ? 1 : 0, from, to, kind);
  part.digests.erase("positions");
  part.config["image_size"] = {size.height, size.width};
  return part;
}

PatchTokenizer picture_tokenizer(const Model& model, const Schema& patches, std::size_t width, bool fresh,
                                 std::uint64_t seed, Progress& progress) {
  const PictureLayout layout = picture_layout_of(patches);
  PatchTokenizer result{.name = "tokenizer/" + patches.modality, .part = {}, .fresh = false};
  const std::string found = model.has(result.name) ? result.name : "tokenizer/image";
  if (fresh || !model.has(found)) {
    result.part = initial_image_tokenizer(width, layout.patch, layout.normalization, layout.size, seed);
    result.part.config["modality"] = patches.modality;
    result.fresh = true;
    progress.note(fmt::format("the tokenizer begins anew: patches of {} x {} x {}, initialised from --seed {}",
                              layout.channels, layout.patch, layout.patch, seed));
    return result;
  }
  const ImageModel shape = image_model_of(model.part(found));
  if (shape.patch != layout.patch || shape.channels != layout.channels) {
    throw Error(model.source,
                fmt::format("its tokenizer takes patches of {} x {} x {}, these are {} x {} x {}", shape.channels,
                            shape.patch, shape.patch, layout.channels, layout.patch, layout.patch),
                "cut them with mt-tokenize --model, or begin anew with --new-tokenizer");
  }
  result.part = resized(model.part(found), shape, layout.size);
  return result;
}

}  // namespace

PatchTokenizer tokenizer_for_patches(const Model& model, const Schema& patches, std::size_t width, bool fresh,
                                     std::uint64_t seed, Progress& progress) {
  PatchTokenizer result;
  if (is_picture(patches.modality)) {
    result = picture_tokenizer(model, patches, width, fresh, seed, progress);
  } else {
    if (fresh)
      throw UsageError("--new-tokenizer",
                       fmt::format("is for pictures, these are patches of {}", printable(patches.modality)),
                       "fit another with mt-tokenize --fit");
    result.name = "tokenizer/" + patches.modality;
    if (!model.has(result.name)) {
      throw Error(model.source, fmt::format("has no tokenizer for {}", printable(patches.modality)),
                  "add --model with the file that mt-tokenize --fit wrote");
    }
    result.part = model.part(result.name);
    if (!result.part.config.contains("embedding")) {
      throw Error(model.source,
                  fmt::format("its tokenizer for {} has statistics, but no embedding", printable(patches.modality)),
                  "fit it with mt-tokenize --fit and --model ENCODER (or --width)");
    }
    const std::string cut = patches.config.value("tokenizer", "");
    if (!cut.empty() && cut != hex(digest_of(result.part)))
      progress.note("the patches were cut by another tokenizer than the model's: its statistics may not fit them");
  }
  const auto embedding = token_embedding_of(result.part);
  if (embedding->width() != width) {
    throw Error(model.source,
                fmt::format("its tokenizer makes tokens of {}, the encoder takes {}", embedding->width(), width),
                "give a tokenizer that was fitted for this encoder");
  }
  return result;
}

PatchScale::PatchScale(const Schema& patches) : bytes_(patches.dtype == DType::u8) {
  if (!bytes_) return;
  const PictureLayout layout = picture_layout_of(patches);
  const std::size_t area = layout.patch * layout.patch;
  for (std::size_t c = 0; c < layout.channels; ++c) {
    shift_.insert(shift_.end(), area, layout.normalization.mean[c]);
    factor_.insert(factor_.end(), area, layout.normalization.std[c]);
  }
}

Tensor PatchScale::floats(const Tensor& rows) const {
  Tensor values = rows.dtype() == DType::f32 ? rows : rows.to(DType::f32);
  if (!bytes_) return values;
  for (std::size_t i = 0; i < values.rows(); ++i) {
    const auto row = values.row<float>(i);
    // As cut_patches does it: float32, division by 255 first.
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = (row[j] / 255.0F - shift_[j]) / factor_[j];
  }
  return values;
}

}  // namespace mt
