#include "cli/device_option.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "encoder/cuda/cuda_encoder.h"
#include "encoder/cuda/library.h"

namespace mt::cli {

namespace {

constexpr std::size_t kMostCards = 64;

// Which of the processes on this machine this one is, as Slurm, Open MPI and MPICH say it; 0 without a launcher.
std::size_t local_rank() {
  for (const char* name : {"SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID"}) {
    const char* text = std::getenv(name);
    const auto rank = text == nullptr ? std::nullopt : parse_int(text);
    if (rank && *rank >= 0) return static_cast<std::size_t>(*rank);
  }
  return 0;
}

std::vector<std::size_t> indexes_of(const DeviceChoice& choice, const cuda::Driver& driver) {
  if (!choice.indexes.empty()) return choice.indexes;
  // A launcher that shares cards out leaves each process one to see; where all see all, each takes its own.
  return {local_rank() % driver.count()};
}

// Cards of one kind: other kinds give other last digits.
std::vector<std::unique_ptr<cuda::Card>> open_cards(const std::vector<std::size_t>& indexes, cuda::Driver& driver) {
  std::vector<std::unique_ptr<cuda::Card>> cards;
  for (const std::size_t index : indexes) {
    cards.push_back(driver.open(index));
    const cuda::CardProperties &first = cards.front()->properties(), &other = cards.back()->properties();
    if (other.name != first.name) {
      throw Error("--device",
                  fmt::format("card {} is a {}, card {} a {}: their features differ in the last digits",
                              indexes.front(), first.name, index, other.name),
                  "name cards of one kind");
    }
  }
  return cards;
}

std::string describe(const cuda::CardProperties& card, const cuda::Driver& driver) {
  return fmt::format("cuda: {}, sm_{}{}, {}", card.name, card.major, card.minor, driver.versions());
}

Executor card_executor(const DeviceChoice& choice, const Part& part, Precision wanted, Progress& progress) {
  cuda::require_card_sizes(architecture_of(part));
  cuda::Driver& driver = cuda::driver();
  auto cards = open_cards(indexes_of(choice, driver), driver);
  Executor executor;
  executor.precision = cuda::card_precision(wanted, *cards.front());
  executor.device = describe(cards.front()->properties(), driver);
  if (executor.precision != wanted) {
    progress.note(fmt::format("{} has no {} products: computing in {}", cards.front()->properties().name,
                              name_of(wanted), name_of(executor.precision)));
  }
  executor.encoder = cuda::make_card_encoder(part, std::move(cards), executor.precision);
  return executor;
}

}  // namespace

DeviceChoice device_named(const std::string& text) {
  const auto refuse = [&] {
    throw UsageError("--device", fmt::format("\"{}\" is not known", printable(text)), "cpu, cuda, cuda:1 or cuda:0,1");
  };
  if (text == "cpu") return {};
  DeviceChoice choice{true, {}};
  if (text == "cuda") return choice;
  if (!text.starts_with("cuda:")) refuse();
  for (const std::string_view word : split(std::string_view(text).substr(5), ',')) {
    const auto index = parse_int(word);
    if (!index || *index < 0 || *index >= static_cast<std::int64_t>(kMostCards)) refuse();
    choice.indexes.push_back(static_cast<std::size_t>(*index));
  }
  auto sorted = choice.indexes;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) {
    throw UsageError("--device", "a card is named twice");
  }
  return choice;
}

void require_device(const DeviceChoice& choice) {
  if (!choice.cards) return;
  const cuda::Driver& driver = cuda::driver();
  for (const std::size_t index : indexes_of(choice, driver)) driver.properties(index);
}

Executor make_executor(const DeviceChoice& choice, const Part& part, Precision wanted, ThreadPool& pool,
                       Progress& progress) {
  if (choice.cards) return card_executor(choice, part, wanted, progress);
  Executor executor;
  executor.precision = cpu_precision(wanted, architecture_of(part), progress);
  executor.device = "cpu";
  executor.encoder = make_cpu_encoder(part, pool, executor.precision);
  return executor;
}

}  // namespace mt::cli
