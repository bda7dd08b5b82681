// The whole encoder in memory: blocks, final norm, pooling.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "base/random.h"
#include "encoder/encoder.h"
#include "encoder/random_model.h"
#include "layers/token_merging.h"
#include "limits.h"
#include "sections.h"

namespace mt::bench {

double operations_of(const Architecture& a, std::size_t tokens, std::size_t merge) {
  double sum = 0;
  for (std::size_t block = 0; block < a.blocks; ++block) {
    const auto n = static_cast<double>(tokens), d = static_cast<double>(a.width);
    sum += 8 * n * d * d + 4 * n * n * d;
    tokens -= possible_merges(tokens, merge, 1);
    sum += 4 * static_cast<double>(tokens) * d * static_cast<double>(a.mlp);
  }
  return sum;
}

namespace {

struct Sequences {
  Tensor tokens;
  std::vector<std::int64_t> offsets = {0};

  Sequences(const std::vector<std::size_t>& lengths, std::size_t width) {
    for (const std::size_t n : lengths) offsets.push_back(offsets.back() + static_cast<std::int64_t>(n));
    tokens = Tensor(DType::f32, {static_cast<std::size_t>(offsets.back()), width});
    Random(1, 2).fill_normal(tokens.as<float>(), 0, 1);
  }
};

// Lengths as texts have them: most are short, some as long as the model takes.
std::vector<std::size_t> text_lengths(std::size_t samples) {
  Random random(1, 3);
  std::vector<float> normal(samples);
  random.fill_normal(normal, 3.6f, 1.0f);
  std::vector<std::size_t> lengths;
  for (const float x : normal) lengths.push_back(static_cast<std::size_t>(std::clamp(std::exp(x), 5.0f, 512.0f)));
  return lengths;
}

class EncoderBench {
 public:
  EncoderBench(const Settings& settings, Table& table, const std::string& size)
      : settings_(settings), table_(table), size_(size), model_(random_model(size, 1)) {}

  void run(std::size_t tokens, const std::vector<std::size_t>& batches) {
    for (const Precision precision : settings_.precisions) {
      double one_thread = 0;
      for (const std::size_t threads : settings_.threads) {
        ThreadPool pool(threads);
        encoder_ = make_cpu_encoder(model_.part("encoder"), pool, precision);
        double dense = 0;
        for (const std::size_t batch : batches) {
          const Against result = encode(precision, threads, std::vector<std::size_t>(batch, tokens), {});
          dense = result.rate;
          add(fmt::format("{} batch {}", name_of(precision), batch), threads, tokens, result);
        }
        if (threads == settings_.threads.front()) one_thread = dense / static_cast<double>(threads);
        if (threads > 1 && one_thread > 0) {
          table_.add({section(tokens),
                      fmt::format("{} {} threads against one", name_of(precision), threads),
                      threads,
                      dense / one_thread,
                      "times",
                      {},
                      dense / one_thread / static_cast<double>(threads),
                      ""});
        }
        if (size_ == "b16") special(precision, threads, tokens, dense);
      }
    }
  }

 private:
  std::string section(std::size_t tokens) const { return fmt::format("encoder {}, {} tokens", size_, tokens); }

  Against encode(Precision precision, std::size_t threads, const std::vector<std::size_t>& lengths,
                 const EncodeOptions& options) {
    const Architecture& a = encoder_->architecture();
    const Sequences sequences(lengths, a.width);
    double operations = 0;
    for (const std::size_t n : lengths) operations += operations_of(a, n, options.merge);
    const auto before = instruction_peak(precision, threads, settings_.clock);
    const double seconds =
        seconds_of(settings_, [&] { encoder_->encode(sequences.tokens, sequences.offsets, options); });
    const auto after = instruction_peak(precision, threads, settings_.clock);
    Against result;
    result.rate = operations / seconds * 1e-9;
    if (before && after) result.peak = (*before + *after) / 2;
    return result;
  }

  void add(const std::string& name, std::size_t threads, std::size_t tokens, const Against& result) {
    const double per_sample = operations_of(encoder_->architecture(), tokens) * 1e-9;
    table_.add({section(tokens),
                name,
                threads,
                result.rate,
                "GFLOP/s",
                result.peak,
                {},
                fmt::format("{:.2f} samples/s", result.rate / per_sample)});
  }

  // Ragged, merged and long sequences.
  void special(Precision precision, std::size_t threads, std::size_t tokens, double dense) {
    const auto name = name_of(precision);
    const Against ragged = encode(precision, threads, text_lengths(64), {});
    table_.add({section(tokens),
                fmt::format("{} 64 texts of 5 to 512 tokens", name),
                threads,
                ragged.rate,
                "GFLOP/s",
                dense,
                {},
                "against the dense batch"});
    EncodeOptions options;
    const Architecture& a = encoder_->architecture();
    while (operations_of(a, tokens, options.merge) > operations_of(a, tokens) / 2) ++options.merge;
    const Against merged = encode(precision, threads, std::vector<std::size_t>(8, tokens), options);
    const double faster = merged.rate / dense * operations_of(a, tokens) / operations_of(a, tokens, options.merge);
    table_.add({section(tokens),
                fmt::format("{} --merge {}, half the operations", name, options.merge),
                threads,
                faster,
                "times",
                {},
                {},
                "samples/s against none merged"});
    for (const std::size_t length : {1568, 4096}) {
      const Against longer = encode(precision, threads, {length}, {});
      table_.add({section(tokens),
                  fmt::format("{} one sequence of {} tokens", name, length),
                  threads,
                  longer.rate,
                  "GFLOP/s",
                  longer.peak,
                  {},
                  ""});
    }
  }

  const Settings& settings_;
  Table& table_;
  std::string size_;
  Model model_;
  std::unique_ptr<Encoder> encoder_;
};

}  // namespace

void measure_encoder(const Settings& settings, Table& table) {
  for (const std::string& size : settings.sizes) {
    if (size == "b16")
      EncoderBench(settings, table, size).run(197, {1, 8, 32});
    else
      EncoderBench(settings, table, size).run(257, {1, 8});
  }
}

}  // namespace mt::bench
