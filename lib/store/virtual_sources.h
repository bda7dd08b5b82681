// The sources of a virtual data set. HDF5 fills what is missing of them silently, and would open any file that it is
// told.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "store/hdf5.h"

namespace mt {

// Throws Error unless every source of a virtual [N, width] data set is /features of a whole sample file of the expected
// size, under directory (relative names without ".."), and together they cover every row.
void require_virtual_sources(const h5::Opened& opened, const std::string& directory, std::size_t width,
                             std::string_view where);

}  // namespace mt
