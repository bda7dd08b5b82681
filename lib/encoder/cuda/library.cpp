#include "encoder/cuda/library.h"

#include <dlfcn.h>

#include <filesystem>
#include <functional>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "base/error.h"
#include "base/text.h"
#include "base/threads.h"
#include "base/version.h"
#include "encoder/encoder.h"
#include "kernels/kernels.h"

namespace mt::cuda {

namespace {

constexpr const char* kOption = "--device cuda";

#ifdef MT_CUDA_VERSION

constexpr const char* kFile = "libmt-cuda.so";

// Beside libmt where it lies there, else whatever the loader finds by that name.
std::string library_file() {
  Dl_info own{};
  if (::dladdr(reinterpret_cast<const void*>(&driver), &own) == 0 || own.dli_fname == nullptr) return kFile;
  std::error_code failed;
  const std::filesystem::path beside = std::filesystem::absolute(own.dli_fname, failed).parent_path() / kFile;
  return !failed && std::filesystem::exists(beside, failed) ? beside.string() : kFile;
}

// It stays open: a process that has begun to use a card keeps threads and handlers of CUDA's to its end.
Driver& open_library() {
  void* library = ::dlopen(library_file().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* said = ::dlerror();
    const std::string why = said != nullptr ? said : "the loader does not say why";
    if (why.starts_with(kFile))
      throw Error(kOption, fmt::format("{} is neither beside libmt nor where the loader looks", kFile),
                  "install it, or use --device cpu");
    throw Error(kOption, why,
                "install the libraries of CUDA " MT_CUDA_VERSION ", or add their folder to LD_LIBRARY_PATH");
  }
  const auto contents = reinterpret_cast<LibraryContents (*)()>(::dlsym(library, "mt_cuda_library"));
  const LibraryContents found = contents != nullptr ? contents() : LibraryContents{"none that is known", nullptr};
  if (std::string_view(found.version) != kVersion)
    throw Error(kOption, fmt::format("{} is of version {}, libmt of {}", kFile, found.version, kVersion),
                "install both from one build");
  return *found.driver;
}

#endif

nlohmann::ordered_json names(const std::function<bool(Precision)>& has) {
  nlohmann::ordered_json names = nlohmann::ordered_json::array();
  for (const Precision precision : {Precision::f32, Precision::bf16, Precision::f16, Precision::int8}) {
    if (has(precision)) names.push_back(name_of(precision));
  }
  return names;
}

nlohmann::ordered_json cards() {
  nlohmann::ordered_json cards = nlohmann::ordered_json::array();
  const Driver& driver = cuda::driver();
  const std::size_t count = driver.count();
  for (std::size_t i = 0; i < count; ++i) {
    const CardProperties card = driver.properties(i);
    cards.push_back({{"device", fmt::format("cuda:{}", i)},
                     {"name", card.name},
                     {"memory", card.total_memory},
                     {"capability", fmt::format("{}.{}", card.major, card.minor)},
                     {"precisions", names([&](Precision precision) { return has(card, precision); })}});
  }
  return cards;
}

// "75 90a" as CMake has them: ["7.5", "9.0a"].
nlohmann::ordered_json built() {
#ifdef MT_CUDA_VERSION
  nlohmann::ordered_json capabilities = nlohmann::ordered_json::array();
  for (const std::string_view architecture : split(MT_CUDA_ARCHITECTURES, ' ')) {
    const std::size_t major = std::min(architecture.find_first_not_of("0123456789"), architecture.size()) - 1;
    capabilities.push_back(fmt::format("{}.{}", architecture.substr(0, major), architecture.substr(major)));
  }
  return {{"toolkit", MT_CUDA_VERSION}, {"capabilities", std::move(capabilities)}};
#else
  return nullptr;
#endif
}

std::string joined(const nlohmann::ordered_json& names) {
  std::string text;
  for (const auto& name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text;
}

}  // namespace

Driver& driver() {
#ifdef MT_CUDA_VERSION
  static Driver& driver = open_library();
  return driver;
#else
  throw Error(kOption, "this build has no CUDA", "build with -DMT_CUDA=on, or use --device cpu");
#endif
}

bool has(const CardProperties& card, Precision precision) {
  const int capability = 10 * card.major + card.minor;
  switch (precision) {
    case Precision::f32:
    case Precision::f16:
      return capability >= kOldestCapability;
    case Precision::bf16:
      return capability >= 80;
    case Precision::int8:
      return false;
  }
  return false;
}

nlohmann::ordered_json devices() {
  nlohmann::ordered_json found;
  const Kernels& kernels = mt::kernels();
  found["cpu"] = {{"isa", name_of(kernels.isa)},
                  {"precisions", names([&](Precision precision) { return mt::has(kernels, precision); })},
                  {"threads", thread_count(0)}};
  found["cuda"] = nlohmann::ordered_json::array();
  found["no_cuda"] = nullptr;
  try {
    found["cuda"] = cards();
  } catch (const Error& error) {
    found["no_cuda"] = Error("", error.why(), error.remedy()).what();
  }
  found["built"] = built();
  return found;
}

std::string devices_text() {
  const nlohmann::ordered_json found = devices();
  const auto& cpu = found["cpu"];
  std::string text = fmt::format("{:<7} {}, {} threads: {}\n", "cpu", cpu["isa"].get<std::string>(),
                                 cpu["threads"].get<std::size_t>(), joined(cpu["precisions"]));
  for (const auto& card : found["cuda"]) {
    const std::string precisions = joined(card["precisions"]);
    text += fmt::format("{:<7} {}, {}, compute capability {}: {}\n", card["device"].get<std::string>(),
                        printable(card["name"].get<std::string>()), human_bytes(card["memory"].get<std::size_t>()),
                        card["capability"].get<std::string>(), precisions.empty() ? "too old" : precisions);
  }
  if (!found["no_cuda"].is_null()) text += fmt::format("{:<7} {}\n", "cuda", found["no_cuda"].get<std::string>());
  if (const auto& built = found["built"]; !built.is_null()) {
    text += fmt::format("{:<7} CUDA {}, for compute capabilities {} and later ones\n", "built",
                        built["toolkit"].get<std::string>(), joined(built["capabilities"]));
  }
  return text;
}

}  // namespace mt::cuda
