// A schema as the root attributes and the data sets of an HDF5 file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "store/hdf5.h"
#include "store/schema.h"

namespace mt {

// The schema as a file can tell it again: what it does not store is at its default (prefix, positions and pre_norm
// where rows are not sequences), and mt_config has gone through text once.
Schema as_stored(Schema schema);

// Root attributes, /label_names and /target_names.
void write_root(hid_t file, const Schema& schema, std::string_view where);
// prefix, positions, pre_norm, source and dimension labels of the main data set.
void write_row_attributes(hid_t dataset, const Schema& schema, std::string_view where);
// mt_inputs, and last of all mt_complete.
void write_completion(hid_t file, const Digest& inputs, std::string_view where);

// Reads all of that from a file by anyone. Throws Error: not one of ours (no mt_kind), a newer mt_format, unfinished
// (our creator, no mt_complete), a model, data sets of other types or widths than the contract's.
Schema read_schema(hid_t file, std::string_view where);
Digest read_inputs(hid_t file, std::string_view where);  // zeros when absent

}  // namespace mt
