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
  // Picture files, directories, IDX and NumPy files, "-" (paths on standard input, one a line). Of a directory those
  // files are taken whose extension is that of a picture format; a file given by name is taken whatever it is called.
  std::vector<std::string> inputs;
  std::vector<std::string> manifests;  // CSV, TSV, JSON, JSON lines with columns path, label, id (others named below);
                                       // paths are relative to the manifest's directory
  std::string path_column = "path", label_column = "label", id_column = "id";
  std::string labels;       // "directory": class is the folder's name; a path: IDX/NPY/NPZ labels, CSV id,label;
                            // "": from the manifest, or from the labels file that lies beside an IDX file
  bool id_stem = false;     // --ids stem: ids without extension
  std::string array;        // name of the array in an NPZ that holds the pictures, "" when it is the only one
  std::string label_array;  // likewise the labels; "" tries the names that go with it: x_train, y_train;
                            // train_images, train_labels
  ImageLimits limits;
  std::string temporary_directory =
      "/var/tmp";  // compressed arrays beyond 1 GiB are unpacked into a nameless file there
};

// The full list, fixed at construction: order, ids and class names do not depend on shards or threads. Ids: path
// relative to the input argument (a file's own name; "file#row" for arrays; paths of lists and manifests as written),
// percent-escaped, unique (Error names the first duplicate). Directory entries sort bytewise.
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
    Digest digest;  // of the raw bytes (file contents; for arrays, of the row's pixels with their shape and type)
  };
  // Throw Error (the sample is then rejected). Callable from several threads at once. digest(i) is load(i).digest
  // without the decoding of files.
  virtual Loaded load(std::size_t i) const = 0;
  virtual Digest digest(std::size_t i) const = 0;
};

}  // namespace mt
