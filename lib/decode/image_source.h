// Where pictures come from: files, directories, manifests, lists, IDX and NumPy arrays, all seen as one indexed list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/digest.h"
#include "decode/image.h"

namespace mt {

struct ImageSourceOptions {
  std::vector<std::string> inputs;     // files, directories, IDX, NPY/NPZ, "-" (paths on standard input, one a line)
  std::vector<std::string> manifests;  // CSV, TSV, JSON, JSON lines with columns path, label, id (others named below)
  std::string path_column = "path", label_column = "label", id_column = "id";
  std::string labels;       // "directory": class is the folder's name; a path: IDX/NPY labels, CSV id,label; "": none
  bool id_stem = false;     // --ids stem: ids without extension
  std::string array;        // name of the array in an NPZ that holds the pictures, "" when it is the only one
  std::string label_array;  // likewise the labels
  ImageLimits limits;
};

// The full list, fixed at construction: order, ids and class names do not depend on shards or threads. Ids: path
// relative to the input argument ("file#row" for arrays), percent-escaped, unique (Error names the first duplicate).
// Directory entries sort bytewise.
class ImageSource {
 public:
  static std::unique_ptr<ImageSource> open(const ImageSourceOptions& options);  // throws Error, UsageError
  virtual ~ImageSource() = default;

  virtual std::size_t size() const = 0;
  virtual std::string id(std::size_t i) const = 0;
  virtual bool has_labels() const = 0;
  virtual const std::vector<std::string>& label_names() const = 0;  // class folders sorted bytewise; numbers by value
  virtual std::int32_t label(std::size_t i) const = 0;              // -1 unknown

  struct Loaded {
    Image image;
    Digest digest;  // of the raw bytes (file contents; for arrays, of the row's bytes with its shape and type)
  };
  // Throws Error (the sample is then rejected). Callable from several threads at once.
  virtual Loaded load(std::size_t i) const = 0;
  // The digest that load gives, without decoding: tells whether inputs changed, also those that do not decode. Throws
  // Error when the bytes cannot be read. Callable from several threads at once.
  virtual Digest digest(std::size_t i) const { return load(i).digest; }
};

}  // namespace mt
