// Labels that do not come with their samples: arrays beside arrays, and files of labels. Internal to this
// room's sources of samples.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "decode/class_labels.h"
#include "decode/manifest.h"
#include "decode/stored_array.h"

namespace mt {

// Adds one label for each of samples from an array [N] or [N, 1] of whole numbers or text; NaN and "" are unknown.
// Throws Error: another shape, another number of them, fractions.
void add_array_labels(ClassLabels& labels, const StoredArray& array, std::size_t samples);

// The file of labels that belongs to an IDX file of images by its name: "train-images-idx3-ubyte.gz" has
// "train-labels-idx1-ubyte.gz", either of them packed or not. nullopt when there is none.
std::optional<std::filesystem::path> idx_labels_beside(const std::filesystem::path& images);

struct NpzChoice {
  std::string pictures, labels;  // labels: "" none
};
// The arrays asked for; else the only one that holds pictures, and the labels that go with it by name: x_train and
// y_train, train_images and train_labels. Throws Error naming what there is.
NpzChoice choose_npz_arrays(const std::vector<NpzMember>& members, const std::string& pictures,
                            const std::string& labels, const std::string& where);

struct LabelFile {
  std::filesystem::path path;
  ManifestColumns columns;  // of a table
  std::string label_array;  // of an NPZ; "" the only one
  bool ids_without_extension = false;
};
// Labels of size samples whose ids id(i) gives: IDX, NPY and NPZ label them in order, CSV and TSV by the id column, or
// by the path column where there is none. Samples that a table does not name are unknown. Throws Error: another number
// of labels, a table that names none of the samples, or one of them twice with different labels.
ClassLabels read_label_file(const LabelFile& file, std::size_t size, const std::function<std::string(std::size_t)>& id,
                            const ArrayStorage& storage);

}  // namespace mt
