// Seconds of each stage from a picture file to tokens, on one core: bench_tokenize PICTURE...
//
//   cmake --preset release -DMT_BUILD_BENCH=ON && cmake --build --preset release --target bench_tokenize
//   build/release/bin/bench_tokenize photos/*.jpg
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "decode/image.h"
#include "tokenize/image_patches.h"
#include "tokenize/image_prepare.h"
#include "tokenize/image_tokenizer.h"

namespace {

using namespace mt;
using Clock = std::chrono::steady_clock;

// Runs work over all pictures until a second has passed, prints milliseconds a picture of the best round.
double measure(const char* stage, std::size_t pictures, const std::function<void(std::size_t)>& work) {
  double best = 1e9;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point round = Clock::now();
    for (std::size_t i = 0; i < pictures; ++i) work(i);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - round).count() / static_cast<double>(pictures));
  } while (Clock::now() - start < std::chrono::seconds(1));
  std::printf("%-28s %8.3f ms   %8.0f pictures/s\n", stage, best * 1e3, 1 / best);
  return best;
}

void run(const std::vector<std::string>& files) {
  std::vector<std::vector<std::byte>> bytes;
  std::vector<Image> images;
  for (const std::string& file : files) {
    bytes.push_back(read_file(file, std::uint64_t{1} << 30));
    images.push_back(decode_image(bytes.back(), file));
  }
  const Normalization clip{{0.48145466F, 0.4578275F, 0.40821073F}, {0.26862954F, 0.26130258F, 0.27577711F}};
  const ImagePreparation preparation;
  const ImageTokenizer tokenizer(initial_image_tokenizer(768, 16, clip, preparation.size, 0), preparation.size, clip);
  std::vector<PreparedImage> prepared;
  for (const Image& image : images) prepared.push_back(prepare_image(image, preparation));
  Tensor rows(DType::f32, {tokenizer.patches(), 768});

  const std::size_t n = files.size();
  double total = measure("read and decode", n,
                         [&](std::size_t i) { decode_image(read_file(files[i], std::uint64_t{1} << 30), files[i]); });
  ImageLimits reduced;
  reduced.reduce_to = preparation.size.height;
  measure("  --fast-decode instead", n, [&](std::size_t i) { decode_image(bytes[i], files[i], reduced); });
  total += measure("resize, crop", n, [&](std::size_t i) { prepare_image(images[i], preparation); });
  total += measure("patches, normalise", n,
                   [&](std::size_t i) { cut_patches(prepared[i].pixels, 16, clip, rows.as<float>()); });
  total += measure("embed into 768", n, [&](std::size_t) { tokenizer.embed(rows); });
  std::printf("%-28s %8.3f ms   %8.0f pictures/s on one core\n", "all", total * 1e3, 1 / total);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: bench_tokenize PICTURE...\n");
    return 2;
  }
  try {
    run({argv + 1, argv + argc});
  } catch (const Error& error) {
    std::fprintf(stderr, "bench_tokenize: %s\n", error.what());
    return 1;
  }
}
