// Data sets of hdf5.h.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "store/hdf5.h"

namespace mt::h5 {

namespace {

constexpr int kMostDimensions = 8;
constexpr std::uint64_t kDeflateRatio = 1032;  // no deflate stream expands more than 1032 times

std::string inside(std::string_view where, const std::string& name) { return fmt::format("{}: /{}", where, name); }

struct Filters {
  bool deflate = false;
  std::string names;
};

// Refuses filters that need a plugin, and one filter twice (deflate in deflate expands a million times).
Filters check_filters(const PropertyList& creation, const std::string& where) {
  Filters filters;
  const int count = H5Pget_nfilters(creation.get());
  std::vector<H5Z_filter_t> seen;
  for (int i = 0; i < count; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    char name[64] = "";
    const H5Z_filter_t id =
        H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &values, nullptr, sizeof name, name, &config);
    if (id < 0) fail(where, "read its filters");
    const bool known = id == H5Z_FILTER_SHUFFLE || id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_FLETCHER32;
    if (!known || std::find(seen.begin(), seen.end(), id) != seen.end()) {
      throw Error(where,
                  fmt::format("uses filter {} ({}), known are shuffle, deflate and fletcher32, each once", id, name),
                  "rewrite it with h5repack -f NONE");
    }
    seen.push_back(id);
    filters.deflate |= id == H5Z_FILTER_DEFLATE;
    if (!filters.names.empty()) filters.names += ", ";
    filters.names += id == H5Z_FILTER_SHUFFLE ? "shuffle" : id == H5Z_FILTER_DEFLATE ? "deflate" : "fletcher32";
  }
  return filters;
}

// Selections that grow with their sources would open those as soon as the extents are asked for.
void check_virtual(const PropertyList& creation, const std::string& where, bool allowed) {
  if (!allowed) throw Error(where, "is a virtual data set", "copy the data into one file with mt-cat or h5repack");
  std::size_t count = 0;
  check(H5Pget_virtual_count(creation.get(), &count), where, "read its sources");
  for (std::size_t i = 0; i < count; ++i) {
    const Space space(H5Pget_virtual_vspace(creation.get(), i), where, "read its sources");
    hsize_t begin[H5S_MAX_RANK], end[H5S_MAX_RANK];
    if (H5Sget_select_bounds(space.get(), begin, end) < 0) {
      H5Eclear2(H5E_DEFAULT);
      throw Error(where, "is a virtual data set without fixed extents");
    }
  }
}

void read_extents(Declared& declared, hid_t dataset, hid_t type, const std::string& where) {
  const Space space(H5Dget_space(dataset), where, "read its extents");
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL) throw Error(where, "holds nothing (a null data space)");
  const int dimensions = H5Sget_simple_extent_ndims(space.get());
  if (dimensions < 0) fail(where, "read its extents");
  if (dimensions > kMostDimensions) {
    throw Error(where, fmt::format("has {} dimensions, the limit is {}", dimensions, kMostDimensions));
  }
  declared.extents.resize(static_cast<std::size_t>(dimensions));
  if (H5Sget_simple_extent_dims(space.get(), declared.extents.data(), nullptr) < 0) fail(where, "read its extents");
  for (const hsize_t extent : declared.extents) {
    declared.elements = checked_mul<std::uint64_t>(declared.elements, extent, where);
  }
  declared.bytes = checked_mul<std::uint64_t>(declared.elements, H5Tget_size(type), where);
}

[[noreturn]] void not_stored(const Declared& declared, const std::string& where, std::uint64_t stored) {
  throw Error(where, fmt::format("declares {} bytes, {} are stored", declared.bytes, stored), "make the file again");
}

void check_chunks(Declared& declared, hid_t dataset, const PropertyList& creation, std::size_t element_bytes,
                  const Filters& filters, std::uint64_t file_bytes, const std::string& where) {
  Extents chunk(declared.extents.size());
  if (H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()) < 0) fail(where, "read its chunks");
  std::uint64_t chunks = 1, chunk_bytes = element_bytes;
  for (std::size_t i = 0; i < chunk.size(); ++i) {
    if (chunk[i] == 0) throw Error(where, "has chunks without elements");
    chunks = checked_mul<std::uint64_t>(chunks, declared.extents[i] / chunk[i] + (declared.extents[i] % chunk[i] != 0),
                                        where);
    chunk_bytes = checked_mul<std::uint64_t>(chunk_bytes, chunk[i], where);
  }
  if (chunk_bytes > kLargestChunk) {
    throw Error(where,
                fmt::format("has chunks of {}, the limit is {}", human_bytes(chunk_bytes), human_bytes(kLargestChunk)),
                "rewrite it in smaller chunks with h5repack");
  }
  declared.chunk_bytes = chunk_bytes;
  // Bounds that need no walk over the index of chunks, which a hostile file can make endless.
  const std::uint64_t total = checked_mul<std::uint64_t>(chunks, chunk_bytes, where);
  const std::uint64_t least = filters.deflate ? total / kDeflateRatio : total;
  if (chunks > file_bytes || least > file_bytes)
    not_stored(declared, where, std::min(H5Dget_storage_size(dataset), hsize_t{file_bytes}));
  hsize_t stored = 0;
  const Space space(H5Dget_space(dataset), where, "count its chunks");  // 1.10 does not take H5S_ALL here
  check(H5Dget_num_chunks(dataset, space.get(), &stored), where, "count its chunks");
  if (stored < chunks) {
    throw Error(where, fmt::format("declares {} chunks, {} are stored", chunks, stored), "make the file again");
  }
}

void check_storage(Declared& declared, hid_t dataset, const PropertyList& creation, std::size_t element_bytes,
                   std::uint64_t file_bytes, const std::string& where) {
  const Filters filters = check_filters(creation, where);
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (declared.bytes == 0 || layout == H5D_VIRTUAL) return;
  if (layout == H5D_CHUNKED) {
    check_chunks(declared, dataset, creation, element_bytes, filters, file_bytes, where);
    return;
  }
  const hsize_t stored = H5Dget_storage_size(dataset);
  if (stored < declared.bytes) not_stored(declared, where, stored);
  if (layout == H5D_CONTIGUOUS) {
    const haddr_t begin = H5Dget_offset(dataset);
    if (begin == HADDR_UNDEF || begin > file_bytes || file_bytes - begin < declared.bytes) {
      H5Eclear2(H5E_DEFAULT);
      not_stored(declared, where, begin == HADDR_UNDEF || begin > file_bytes ? 0 : file_bytes - begin);
    }
  }
}

// Opened with a cache that holds one of its chunks: HDF5 would otherwise read a chunk again for every few rows.
Dataset reopened_for_chunks(Dataset dataset, hid_t group, const std::string& name, std::uint64_t chunk_bytes,
                            const std::string& where) {
  if (chunk_bytes <= (std::uint64_t{4} << 20)) return dataset;
  dataset.close(where);
  const PropertyList access(H5Pcreate(H5P_DATASET_ACCESS), where, "prepare");
  check(H5Pset_chunk_cache(access.get(), 521, chunk_bytes, 0.75), where, "prepare");
  return {H5Dopen2(group, name.c_str(), access.get()), where, "open it"};
}

// A file space with rows [begin, begin + count) selected.
Space selected(const Dataset& dataset, std::uint64_t begin, std::uint64_t count, Extents& extents,
               std::string_view where) {
  Space space(H5Dget_space(dataset.get()), where, "read its extents");
  extents.resize(static_cast<std::size_t>(std::max(H5Sget_simple_extent_ndims(space.get()), 0)));
  if (H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr) < 0) fail(where, "read its extents");
  if (extents.empty() || begin > extents[0] || count > extents[0] - begin) {
    throw std::logic_error("rows outside of a data set were asked for");
  }
  Extents start(extents.size(), 0);
  start[0] = begin;
  extents[0] = count;
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, extents.data(), nullptr), where,
        "select rows");
  return space;
}

std::vector<std::string> read_variable_texts(const Opened& opened, const Type& type, std::uint64_t begin,
                                             std::uint64_t count, std::string_view where, std::uint64_t limit_bytes) {
  Extents extents;
  const Space file_space = selected(opened.dataset, begin, count, extents, where);
  const Space memory_space(H5Screate_simple(1, extents.data(), nullptr), where, "read it");
  hsize_t bytes = 0;
  check(H5Dvlen_get_buf_size(opened.dataset.get(), type.get(), file_space.get(), &bytes), where, "read it");
  require_within(bytes, limit_bytes, where, fmt::format("{} strings", count));
  std::vector<char*> pointers(count, nullptr);
  check(H5Dread(opened.dataset.get(), type.get(), memory_space.get(), file_space.get(), H5P_DEFAULT,
                static_cast<void*>(pointers.data())),
        where, "read it");
  std::vector<std::string> texts;
  texts.reserve(count);
  for (const char* pointer : pointers) texts.emplace_back(pointer == nullptr ? "" : pointer);
  check(H5Dvlen_reclaim(type.get(), memory_space.get(), H5P_DEFAULT, static_cast<void*>(pointers.data())), where,
        "read it");
  return texts;
}

}  // namespace

Opened open_dataset(hid_t group, const std::string& name, std::string_view where_file, bool allow_virtual) {
  const Lock lock;
  const std::string where = inside(where_file, name);
  if (!has(group, name, where_file)) throw Error(where, "is missing");
  Opened opened;
  {
    const Handle<H5Oclose> object(H5Oopen(group, name.c_str(), H5P_DEFAULT), where, "open it");
    if (H5Iget_type(object.get()) != H5I_DATASET) throw Error(where, "is not a data set");
  }
  opened.dataset = Dataset(H5Dopen2(group, name.c_str(), H5P_DEFAULT), where, "open it");
  const hid_t dataset = opened.dataset.get();
  const PropertyList creation(H5Dget_create_plist(dataset), where, "read its layout");
  if (H5Pget_external_count(creation.get()) != 0) {
    throw Error(where, "keeps its data in other files", "store the data themselves");
  }
  opened.declared.is_virtual = H5Pget_layout(creation.get()) == H5D_VIRTUAL;
  if (opened.declared.is_virtual) check_virtual(creation, where, allow_virtual);
  const Type type(H5Dget_type(dataset), where, "read its type");
  read_extents(opened.declared, dataset, type.get(), where);
  const Handle<H5Fclose> file(H5Iget_file_id(dataset), where, "read its file");
  hsize_t file_bytes = 0;
  check(H5Fget_filesize(file.get(), &file_bytes), where, "measure its file");
  check_storage(opened.declared, dataset, creation, H5Tget_size(type.get()), file_bytes, where);
  opened.dataset = reopened_for_chunks(std::move(opened.dataset), group, name, opened.declared.chunk_bytes, where);
  return opened;
}

std::string filters_of(hid_t dataset) {
  const Lock lock;
  const PropertyList creation(H5Dget_create_plist(dataset), "data set", "read its filters");
  return check_filters(creation, "data set").names;
}

std::uint64_t chunk_rows_for(std::uint64_t rows, std::uint64_t row_bytes) {
  constexpr std::uint64_t kMost = std::uint64_t{768} << 10;
  if (rows == 0 || row_bytes == 0) return 0;
  const std::uint64_t most_rows = std::max<std::uint64_t>(kMost / row_bytes, 1);
  const std::uint64_t chunks = (rows - 1) / most_rows + 1;
  return (rows - 1) / chunks + 1;  // balanced: the padding of the last chunk stays below one row per chunk
}

Dataset create_dataset(hid_t group, const std::string& name, const Type& type, const Extents& extents,
                       std::uint64_t chunk_rows, int compression, std::string_view where_file) {
  const Lock lock;
  const std::string where = inside(where_file, name);
  const Space space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), where, "create it");
  const PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), where, "create it");
  const PropertyList access(H5Pcreate(H5P_DATASET_ACCESS), where, "create it");
  check(H5Pset_obj_track_times(creation.get(), false), where, "create it");
  if (chunk_rows > 0) {
    Extents chunk = extents;
    chunk[0] = chunk_rows;
    check(H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()), where, "create it");
    if (compression > 0) {
      check(H5Pset_shuffle(creation.get()), where, "create it");
      check(H5Pset_deflate(creation.get(), static_cast<unsigned>(compression)), where, "create it");
    }
    check(H5Pset_fletcher32(creation.get()), where, "create it");
    // Without a cache each chunk is written when it is given, so that failures are heard and addresses follow the
    // order.
    check(H5Pset_chunk_cache(access.get(), 0, 0, 1.0), where, "create it");
  } else {
    check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), where, "create it");
  }
  return {H5Dcreate2(group, name.c_str(), type.get(), space.get(), H5P_DEFAULT, creation.get(), access.get()), where,
          "create it"};
}

void write_rows(const Dataset& dataset, const Type& memory_type, std::uint64_t begin, std::uint64_t count,
                const void* data, std::string_view where) {
  const Lock lock;
  Extents extents;
  const Space file_space = selected(dataset, begin, count, extents, where);
  if (std::find(extents.begin(), extents.end(), 0) != extents.end()) return;
  const Space memory_space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), where,
                           "write it");
  check(H5Dwrite(dataset.get(), memory_type.get(), memory_space.get(), file_space.get(), H5P_DEFAULT, data), where,
        "write it");
}

void read_rows(const Dataset& dataset, const Type& memory_type, std::uint64_t begin, std::uint64_t count, void* data,
               std::string_view where) {
  const Lock lock;
  Extents extents;
  const Space file_space = selected(dataset, begin, count, extents, where);
  if (std::find(extents.begin(), extents.end(), 0) != extents.end()) return;
  const Space memory_space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), where,
                           "read it");
  check(H5Dread(dataset.get(), memory_type.get(), memory_space.get(), file_space.get(), H5P_DEFAULT, data), where,
        "read it");
}

void write_tensor(hid_t group, const std::string& name, const Tensor& tensor, std::string_view where_file) {
  const Lock lock;
  const std::string where = inside(where_file, name);
  const Type type = type_of(tensor.dtype());
  const Extents extents(tensor.shape().begin(), tensor.shape().end());
  Dataset dataset = create_dataset(group, name, type, extents, 0, 0, where_file);
  if (!tensor.empty()) {
    check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.data()), where, "write it");
  }
  dataset.close(where);
}

Tensor read_tensor(hid_t group, const std::string& name, std::string_view where_file, std::uint64_t limit_bytes) {
  const Lock lock;
  const std::string where = inside(where_file, name);
  const Opened opened = open_dataset(group, name, where_file);
  const Type type(H5Dget_type(opened.dataset.get()), where, "read its type");
  const std::optional<DType> dtype = dtype_of(type.get());
  if (!dtype) throw Error(where, fmt::format("is {}, expected numbers", describe(type.get())));
  require_within(checked_mul<std::uint64_t>(opened.declared.elements, size_of(*dtype), where), limit_bytes, where,
                 "it");
  Tensor tensor(*dtype, Shape(opened.declared.extents.begin(), opened.declared.extents.end()));
  if (tensor.empty()) return tensor;
  check(H5Dread(opened.dataset.get(), type_of(*dtype).get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.mutable_data()),
        where, "read it");
  return tensor;
}

std::optional<std::uint64_t> mappable_offset(const Opened& opened) {
  const Lock lock;
  const hid_t dataset = opened.dataset.get();
  const PropertyList creation(H5Dget_create_plist(dataset), "data set", "read its layout");
  const Type type(H5Dget_type(dataset), "data set", "read its type");
  const std::optional<DType> dtype = dtype_of(type.get());
  if (H5Pget_layout(creation.get()) != H5D_CONTIGUOUS || !dtype || opened.declared.bytes == 0) return std::nullopt;
  if (H5Tequal(type.get(), type_of(*dtype).get()) <= 0) return std::nullopt;
  return H5Dget_offset(dataset);
}

void write_texts(hid_t group, const std::string& name, const std::vector<std::string>& texts, std::string_view where,
                 bool chunked) {
  const Lock lock;
  std::size_t width = 1;
  for (const std::string& text : texts) width = std::max(width, text.size());
  std::string table(width * texts.size(), '\0');
  for (std::size_t i = 0; i < texts.size(); ++i)
    std::memcpy(table.data() + i * width, texts[i].data(), texts[i].size());
  const Type type = text_type(width);
  Dataset dataset =
      create_dataset(group, name, type, {texts.size()}, chunked ? chunk_rows_for(texts.size(), width) : 0, 0, where);
  if (!texts.empty()) {
    check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, table.data()), inside(where, name),
          "write it");
  }
  dataset.close(where);
}

std::vector<std::string> read_texts(hid_t group, const std::string& name, std::string_view where,
                                    std::uint64_t limit_bytes) {
  const Lock lock;
  const Opened opened = open_dataset(group, name, where);
  if (opened.declared.extents.size() != 1) {
    throw Error(inside(where, name), fmt::format("has {} dimensions, expected 1", opened.declared.extents.size()));
  }
  return read_text_rows(opened, 0, opened.declared.elements, inside(where, name), limit_bytes);
}

std::vector<std::string> read_text_rows(const Opened& opened, std::uint64_t begin, std::uint64_t count,
                                        std::string_view where, std::uint64_t limit_bytes) {
  const Lock lock;
  const Type type(H5Dget_type(opened.dataset.get()), where, "read its type");
  if (H5Tget_class(type.get()) != H5T_STRING)
    throw Error(where, fmt::format("is {}, expected strings", describe(type.get())));
  if (count == 0) return {};
  // Each string costs an object, however short it is.
  require_within(checked_mul<std::uint64_t>(count, sizeof(std::string), where), limit_bytes, where,
                 fmt::format("{} strings", count));
  if (H5Tis_variable_str(type.get()) > 0) return read_variable_texts(opened, type, begin, count, where, limit_bytes);
  const std::size_t width = H5Tget_size(type.get());
  require_within(checked_mul<std::uint64_t>(count, width, where), limit_bytes, where, fmt::format("{} strings", count));
  std::vector<char> table(width * count);
  read_rows(opened.dataset, type, begin, count, table.data(), where);
  const H5T_str_t padding = H5Tget_strpad(type.get());
  std::vector<std::string> texts;
  texts.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) texts.push_back(unpadded({table.data() + i * width, width}, padding));
  return texts;
}

}  // namespace mt::h5
