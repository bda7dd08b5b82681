// Pictures as samples: decoded, prepared, cut, embedded. What the pipeline calls for image, infrared and X-ray.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <nlohmann/json.hpp>

#include "decode/image_source.h"
#include "store/schema.h"
#include "tokenize/image_prepare.h"
#include "tokenize/image_tokenizer.h"
#include "tokenize/pipeline.h"

namespace mt {

struct ImageTokenization {
  std::string modality = "image";
  ImagePreparation preparation;
  std::size_t patch = 16;
  Normalization normalization;                      // of the patches' channels
  std::shared_ptr<const ImageTokenizer> tokenizer;  // none: stop at patches
  bool bytes = false;                               // patches as u8, not normalised
};

class ImageSamples : public SampleMaker {
 public:
  // The source must outlive this.
  ImageSamples(const ImageSource& source, ImageTokenization tokenization);

  // What decides the rows: becomes part of mt_config.
  nlohmann::json config() const;
  // Kind, columns, labels and attributes; creator, source and config are the caller's to complete.
  Schema schema() const;
  std::size_t rows_per_sample() const;
  std::size_t row_bytes() const;

  std::size_t size() const override { return source_.size(); }
  std::string id(std::size_t i) const override { return source_.id(i); }
  bool has_labels() const override { return source_.has_labels(); }
  std::int32_t label(std::size_t i) const override { return source_.label(i); }
  Digest digest(std::size_t i) const override { return source_.digest(i); }
  Batch empty_batch() const override;
  Digest make(std::size_t i, Batch& batch) const override;
  void finish(Batch& batch) const override;

 private:
  std::size_t patch_columns() const;
  void append_places(const PreparedImage& picture, Batch& batch) const;

  const ImageSource& source_;
  ImageTokenization tokenization_;
  Size grid_;
  std::size_t prefix_ = 0;
};

}  // namespace mt
