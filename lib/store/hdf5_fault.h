// What a handler of memory faults asks. HDF5's parser trusts metadata that no checksum guards: some damaged files of
// the oldest layout, which h5py and MATLAB write, end in a fault within the library.
#pragma once

namespace mt::h5 {

// The file that was opened last, while the calling thread is inside of HDF5; else null. Async-signal-safe.
const char* file_in_hands() noexcept;

}  // namespace mt::h5
