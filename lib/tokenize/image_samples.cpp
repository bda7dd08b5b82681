#include "tokenize/image_samples.h"

#include <limits>
#include <utility>

namespace mt {

ImageSamples::ImageSamples(const ImageSource& source, ImageTokenization tokenization)
    : source_(source), tokenization_(std::move(tokenization)) {
  const Size size = tokenization_.preparation.size;
  grid_ = {size.height / tokenization_.patch, size.width / tokenization_.patch};
  if (tokenization_.tokenizer) prefix_ = tokenization_.tokenizer->prefix();
}

std::size_t ImageSamples::patch_columns() const {
  return tokenization_.normalization.channels() * tokenization_.patch * tokenization_.patch;
}

std::size_t ImageSamples::rows_per_sample() const { return grid_.height * grid_.width + prefix_; }

std::size_t ImageSamples::row_bytes() const {
  const Schema schema = this->schema();
  return schema.width * size_of(schema.dtype);
}

nlohmann::json ImageSamples::config() const {
  const ImagePreparation& preparation = tokenization_.preparation;
  nlohmann::json config = {{"modality", tokenization_.modality},
                           {"size", {preparation.size.height, preparation.size.width}},
                           {"patch", tokenization_.patch},
                           {"resize", name_of(preparation.mode)},
                           {"filter", name_of(preparation.filter)},
                           {"window", name_of(preparation.window)},
                           {"exif", preparation.upright},
                           {"grey", preparation.grey},
                           {"channels", tokenization_.normalization.channels()},
                           {"mean", tokenization_.normalization.mean},
                           {"std", tokenization_.normalization.std}};
  if (!tokenization_.tokenizer) config["normalized"] = !tokenization_.bytes;
  return config;
}

Schema ImageSamples::schema() const {
  Schema schema;
  schema.modality = tokenization_.modality;
  schema.has_centers = schema.has_grid = true;
  schema.has_labels = source_.has_labels();
  schema.label_names = source_.label_names();
  if (tokenization_.tokenizer) {
    schema.kind = Kind::tokens;
    schema.width = tokenization_.tokenizer->width();
    schema.prefix = prefix_;
    schema.positions = tokenization_.tokenizer->has_positions();
  } else {
    schema.kind = Kind::patches;
    schema.width = patch_columns();
    schema.dtype = tokenization_.bytes ? DType::u8 : DType::f32;
    schema.positions = schema.pre_norm = false;
  }
  return schema;
}

Batch ImageSamples::empty_batch() const {
  Batch batch;
  batch.rows = Tensor(tokenization_.bytes ? DType::u8 : DType::f32, {0, patch_columns()});
  batch.centers = Tensor(DType::f32, {0, 3});
  batch.grid = Tensor(DType::i32, {0, 3});
  return batch;
}

Digest ImageSamples::make(std::size_t i, Batch& batch) const {
  ImageSource::Loaded loaded = source_.load(i);
  const PreparedImage picture = prepare_image(std::move(loaded.image), tokenization_.preparation);
  const std::size_t before = batch.rows.rows(), columns = patch_columns();
  batch.rows.resize_rows(before + grid_.height * grid_.width);
  if (tokenization_.bytes) {
    cut_patches(picture.pixels, tokenization_.patch, tokenization_.normalization.channels(),
                batch.rows.as<std::uint8_t>().subspan(before * columns));
  } else {
    cut_patches(picture.pixels, tokenization_.patch, tokenization_.normalization,
                batch.rows.as<float>().subspan(before * columns));
  }
  append_places(picture, batch);
  return loaded.digest;
}

// Grid, and the centre of each patch in the upright source picture; prefix tokens lie nowhere.
void ImageSamples::append_places(const PreparedImage& picture, Batch& batch) const {
  const std::size_t sample = batch.grid.rows();
  batch.grid.resize_rows(sample + 1);
  const auto grid = batch.grid.row<std::int32_t>(sample);
  grid[0] = 1;
  grid[1] = static_cast<std::int32_t>(grid_.height);
  grid[2] = static_cast<std::int32_t>(grid_.width);

  std::size_t token = batch.centers.rows();
  batch.centers.resize_rows(token + rows_per_sample());
  for (std::size_t i = 0; i < prefix_; ++i) {
    for (float& value : batch.centers.row<float>(token++)) value = std::numeric_limits<float>::quiet_NaN();
  }
  const double side = static_cast<double>(tokenization_.patch);
  for (std::size_t row = 0; row < grid_.height; ++row) {
    for (std::size_t column = 0; column < grid_.width; ++column) {
      const auto center = batch.centers.row<float>(token++);
      center[0] = static_cast<float>(picture.row_origin + (static_cast<double>(row) + 0.5) * side * picture.row_scale);
      center[1] =
          static_cast<float>(picture.column_origin + (static_cast<double>(column) + 0.5) * side * picture.column_scale);
    }
  }
}

void ImageSamples::finish(Batch& batch) const {
  if (!tokenization_.tokenizer) return;
  batch.rows = tokenization_.tokenizer->embed(batch.rows);
  for (std::size_t i = 0; i < batch.offsets.size(); ++i)
    batch.offsets[i] = static_cast<std::int64_t>(i * rows_per_sample());
}

}  // namespace mt
