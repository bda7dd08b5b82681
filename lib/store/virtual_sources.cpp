#include "store/virtual_sources.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "base/error.h"
#include "store/schema_io.h"

namespace mt {

namespace fs = std::filesystem;

namespace {

// A name that HDF5 returns through its two-call protocol.
template <class Get>
std::string text_from(Get get, std::string_view where) {
  const ssize_t size = get(nullptr, 0);
  if (size < 0) h5::fail(where, "read its sources");
  std::string text(static_cast<std::size_t>(size), '\0');
  if (get(text.data(), text.size() + 1) != size) h5::fail(where, "read its sources");
  return text;
}

// "%" begins a pattern in the names of sources; "%%" is the character.
std::string unescaped(const std::string& name, std::string_view where) {
  std::string plain;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '%' && (i + 1 == name.size() || name[++i] != '%')) {
      throw Error(where, fmt::format("its source {} is a pattern, not a file", name));
    }
    plain += name[i];
  }
  return plain;
}

fs::path source_path(const std::string& name, const std::string& directory, std::string_view where) {
  const fs::path relative(unescaped(name, where));
  const bool climbs = std::find(relative.begin(), relative.end(), "..") != relative.end();
  if (relative.is_absolute() || climbs || relative == ".") {
    throw Error(where, fmt::format("its source {} lies outside of the file's directory", name),
                "join by copy with mt-cat");
  }
  std::error_code error;
  if (!fs::exists(fs::path(directory) / relative, error)) {
    throw Error(where, fmt::format("its source {} is missing", name), "bring it back, or join the shards again");
  }
  return fs::path(directory) / relative;
}

// Rows of /features of a whole sample file.
hsize_t source_rows(const fs::path& path, std::size_t width) {
  const h5::File file = h5::open_file(path);
  const Schema schema = read_schema(file.get(), path.string());
  if (schema.kind != Kind::features || schema.ragged || schema.width != width) {
    throw Error(path.string(), fmt::format("is no file of features [N, {}]", width));
  }
  return h5::open_dataset(file.get(), "features", path.string()).declared.extents[0];
}

}  // namespace

void require_virtual_sources(const h5::Opened& opened, const std::string& directory, std::size_t width,
                             std::string_view where) {
  const h5::Lock lock;
  const h5::PropertyList creation(H5Dget_create_plist(opened.dataset.get()), where, "read its sources");
  std::size_t count = 0;
  h5::check(H5Pget_virtual_count(creation.get(), &count), where, "read its sources");
  std::map<std::string, hsize_t> rows_of;
  std::uint64_t covered = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto file_name = [&](char* out, std::size_t size) {
      return H5Pget_virtual_filename(creation.get(), i, out, size);
    };
    const auto set_name = [&](char* out, std::size_t size) {
      return H5Pget_virtual_dsetname(creation.get(), i, out, size);
    };
    const std::string name = text_from(file_name, where), set = text_from(set_name, where);
    if (set != "/features" && set != "features") {
      throw Error(where, fmt::format("its source is {} of {}, expected /features", set, name));
    }
    if (!rows_of.contains(name)) rows_of[name] = source_rows(source_path(name, directory, where), width);
    const h5::Space from(H5Pget_virtual_srcspace(creation.get(), i), where, "read its sources");
    const h5::Space to(H5Pget_virtual_vspace(creation.get(), i), where, "read its sources");
    hsize_t extents[H5S_MAX_RANK] = {}, begin[H5S_MAX_RANK], end[H5S_MAX_RANK];
    const bool flat = H5Sget_simple_extent_dims(from.get(), extents, nullptr) == 2 && extents[1] == width;
    h5::check(H5Sget_select_bounds(from.get(), begin, end), where, "read its sources");
    if (!flat || end[0] >= rows_of[name]) {
      throw Error(
          where,
          fmt::format("expects {} rows of its source {}, which has {}", flat ? end[0] + 1 : 0, name, rows_of[name]),
          "join the shards again");
    }
    covered += static_cast<std::uint64_t>(H5Sget_select_npoints(to.get()));
  }
  if (covered < opened.declared.elements) {
    throw Error(where, fmt::format("declares {} numbers, its sources hold {}", opened.declared.elements, covered));
  }
}

}  // namespace mt
