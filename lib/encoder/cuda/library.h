// The library that drives NVIDIA's cards, libmt-cuda.so beside libmt. It is opened when it is asked for, so that
// programs start where neither CUDA nor a card is.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "encoder/cuda/device.h"

namespace mt::cuda {

// Opens the library, once a process. Throws Error: not built, not found, or one of CUDA's own libraries is missing.
Driver& driver();

// Ten times the compute capability of the oldest cards that do.
inline constexpr int kOldestCapability = 75;

// Are there products of this precision on a card of this compute capability? None on one that is too old.
bool has(const CardProperties& card, Precision precision);

// What there is to encode with: "cpu" {isa, precisions, threads}, "cuda" [{device ("cuda:0"), name, memory (bytes),
// capability ("9.0"), precisions}], "no_cuda", why "cuda" is empty (null where it is not), and "built", the kernels for
// cards that this build has: {toolkit ("13.0"), capabilities ["7.5", ...]; later ones than the last do too}, null for
// none. Never throws for want of a card.
nlohmann::ordered_json devices();

// The same for people, one line a device.
std::string devices_text();

// What libmt-cuda.so gives to libmt by its one function, mt_cuda_library.
struct LibraryContents {
  const char* version;  // of the toolkit that it was built with
  Driver* driver;       // lives as long as the library
};

}  // namespace mt::cuda
