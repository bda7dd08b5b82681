#include "store/npz.h"

#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "store/npy.h"

namespace mt {

namespace {

// An archive that inflates to more than this many times its size is a bomb: deflate reaches 1032, real arrays far less.
constexpr std::uint64_t kMaxInflation = 64, kFreeInflation = std::uint64_t{64} << 20;
constexpr std::string_view kSuffix = ".npy";

}  // namespace

Npz::Npz(const std::filesystem::path& path) : Npz(MappedFile::open(path), path.string()) {}

Npz::Npz(std::shared_ptr<const MappedFile> file, std::string where)
    : where_(std::move(where)), file_(std::move(file)), archive_(file_->bytes(), where_) {
  std::uint64_t inflated = 0;
  for (const ZipEntry& entry : archive_.entries()) {
    const std::string_view name = entry.name;
    if (!name.ends_with(kSuffix)) {
      throw Error(where_, fmt::format("holds \"{}\", which is not a NumPy array", name),
                  "an .npz file holds .npy members only");
    }
    names_.emplace_back(name.substr(0, name.size() - kSuffix.size()));
    if (entry.deflated) inflated = checked_add(inflated, entry.size, where_);
  }
  require_within(inflated, kFreeInflation + kMaxInflation * file_->bytes().size(), where_, "unpacking it");
}

bool Npz::has(std::string_view name) const { return archive_.find(fmt::format("{}{}", name, kSuffix)) != nullptr; }

Npz::Member Npz::member(std::string_view name) const {
  const ZipEntry* entry = archive_.find(fmt::format("{}{}", name, kSuffix));
  if (entry == nullptr) throw Error(where_, fmt::format("has no array \"{}\", only {}", name, listed(names_)));
  if (!entry->deflated) return {archive_.where_of(*entry), archive_.stored(*entry), file_};
  const auto inflated = std::make_shared<std::vector<std::byte>>(entry->size);
  ZipStream stream(archive_, *entry);
  stream.read(*inflated);
  stream.finish();
  return {archive_.where_of(*entry), *inflated, inflated};
}

NpyHeader Npz::header(std::string_view name) const {
  const Member array = member(name);
  return parse_npy_header(array.bytes, array.where);
}

Tensor Npz::read(std::string_view name) const {
  const Member array = member(name);
  return read_npy(array.bytes, array.where, array.keep_alive);
}

std::vector<std::string> Npz::read_text(std::string_view name) const {
  const Member array = member(name);
  return read_npy_text(array.bytes, array.where);
}

}  // namespace mt
