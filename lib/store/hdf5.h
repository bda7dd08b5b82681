// HDF5 behind handles that close themselves and calls that throw: what the files of this room are made of.
//
// HDF5 keeps global state and is not safe for threads, so one mutex serialises it: everything here takes it, and code
// that calls HDF5 itself holds a Lock while it does. The first Lock prepares the library: no exit handler (HDF5 1.10.8
// can crash there after a failed write), no error printing, no filter plugins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hdf5.h>

#include "base/tensor.h"

namespace mt::h5 {

class Lock {
 public:
  Lock();
  ~Lock();
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

// Throws Error(where, "HDF5 could not VERB: its innermost reason").
[[noreturn]] void fail(std::string_view where, std::string_view verb);

// Owns one HDF5 id. The destructor tidies up after failure; close() is how success is heard.
template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  Handle() = default;
  // id: what an HDF5 call returned; throws when that call failed. where and verb make the message: "could not open".
  Handle(hid_t id, std::string_view where, std::string_view verb) : id_(id) {
    if (id_ < 0) fail(where, verb);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ < 0) return;
    const Lock lock;
    Close(id_);
  }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }
  void close(std::string_view where) {
    const Lock lock;
    if (id_ >= 0 && Close(std::exchange(id_, H5I_INVALID_HID)) < 0) fail(where, "close");
  }

 private:
  hid_t id_ = H5I_INVALID_HID;
};
using File = Handle<H5Fclose>;
using Group = Handle<H5Gclose>;
using Dataset = Handle<H5Dclose>;
using Space = Handle<H5Sclose>;
using Type = Handle<H5Tclose>;
using Attribute = Handle<H5Aclose>;
using PropertyList = Handle<H5Pclose>;

using Extents = std::vector<hsize_t>;  // slowest dimension first

// Throws when an HDF5 call that returns a status failed.
inline void check(herr_t status, std::string_view where, std::string_view verb) {
  if (status < 0) fail(where, verb);
}

// ------------------------------------------------------------------------------------------------ files
// Library bounds 1.10 on both sides, no time stamps; when writing, H5F_CLOSE_SEMI (a handle left open is an error, not
// a leak). alignment: of raw data larger than itself, 0 for none. Replaces what is there.
File create_file(const std::filesystem::path& path, std::size_t alignment = 0);
// Read only, regular files. name stands in errors, where the path is not what the user knows.
File open_file(const std::filesystem::path& path, std::string_view name = {});
// In memory: the bytes are whole after close_image and must outlive the file. Gaps are zeros.
File create_image(std::vector<std::byte>& bytes, std::size_t expected_size);
void close_image(File& file, std::vector<std::byte>& bytes);
File open_image(std::span<const std::byte> image, std::string_view where);  // borrows the bytes

bool has_hdf5_signature(std::span<const std::byte> first_bytes);

// Flushes, closes, and throws if a byte was lost on the way.
void close_file(File& file, std::string_view where);

// ------------------------------------------------------------------------------------------------ names
// True when object "name" lies in the group by a hard link. Throws Error when it is a soft or external link.
bool has(hid_t group, const std::string& name, std::string_view where);
std::vector<std::string> names(hid_t group, std::string_view where);  // sorted bytewise; throws beyond 1,000,000 names
bool is_group(hid_t group, const std::string& name, std::string_view where);
Group create_group(hid_t parent, const std::string& name, std::string_view where);
Group open_group(hid_t parent, const std::string& name, std::string_view where);  // hard links only

// ------------------------------------------------------------------------------------------------ attributes
// Text is stored as fixed-length UTF-8 (checksums do not cover variable-length data), numbers as int64. Objects: files,
// groups, data sets.
void write_attribute(hid_t object, const char* name, std::string_view text, std::string_view where);
void write_attribute(hid_t object, const char* name, std::int64_t value, std::string_view where);
// What each dimension of a data set counts, as HDF5's dimension scales keep it (variable-length strings, for readers
// such as h5py and MATLAB; nothing of ours depends on them).
void write_dimension_labels(hid_t dataset, const std::vector<const char*>& labels, std::string_view where);
// Any string type, scalar or one element; nullopt when absent. Refused beyond limit bytes.
std::optional<std::string> read_text_attribute(hid_t object, const char* name, std::string_view where,
                                               std::size_t limit = std::size_t{16} << 20);
// Any integer type or boolean; nullopt when absent.
std::optional<std::int64_t> read_integer_attribute(hid_t object, const char* name, std::string_view where);

// ------------------------------------------------------------------------------------------------ types
// Little-endian file types; f16 is IEEE half, bf16 a 16-bit float of 8 exponent bits, boolean an 8-bit integer.
Type type_of(DType dtype);
Type text_type(std::size_t bytes);                               // fixed length, UTF-8, padded with zeros; at least 1
std::string unpadded(std::string_view text, H5T_str_t padding);  // what a fixed-length field holds
// The nearest of ours for what a file holds: integers by width and sign (u32 and u64 give i64), floats by width (other
// layouts give f32). nullopt for strings, compounds and whatever else.
std::optional<DType> dtype_of(hid_t type);
std::string describe(hid_t type);  // "a 64-bit float", "a variable-length string", "a compound"

// ------------------------------------------------------------------------------------------------ data sets
// What a data set declares, checked by open_dataset.
struct Declared {
  Extents extents;
  std::uint64_t elements = 1, bytes = 0;  // bytes: in the file's type, unfiltered
  std::uint64_t chunk_bytes = 0;          // 0: not chunked
  bool is_virtual = false;
};
struct Opened {
  Dataset dataset;
  Declared declared;
};

// How much one chunk may hold: it must be in memory whole.
inline constexpr std::uint64_t kLargestChunk = std::uint64_t{64} << 20;

// Opens name in group and checks the claims: a hard link to a data set, at most 8 dimensions, storage inside the file,
// no filters but shuffle, deflate and fletcher32 (each once), chunks up to kLargestChunk, every byte that the extents
// promise stored. Virtual data sets of fixed selections pass only with allow_virtual; their sources are the caller's to
// check.
Opened open_dataset(hid_t group, const std::string& name, std::string_view where, bool allow_virtual = false);
std::string filters_of(hid_t dataset);  // "shuffle, deflate, fletcher32"

// Creates a data set of fixed extents. chunk_rows 0: contiguous; else chunks of that many whole rows with fletcher32,
// and shuffle + deflate at level compression when that is not 0.
Dataset create_dataset(hid_t group, const std::string& name, const Type& type, const Extents& extents,
                       std::uint64_t chunk_rows, int compression, std::string_view where);
// Rows per chunk, so that chunks hold 256 KiB to 1 MiB and the last one is nearly full; 0 when there are no rows.
std::uint64_t chunk_rows_for(std::uint64_t rows, std::uint64_t row_bytes);

// Rows [begin, begin + count) between memory and file, converted between memory_type and the file's type.
void write_rows(const Dataset& dataset, const Type& memory_type, std::uint64_t begin, std::uint64_t count,
                const void* data, std::string_view where);
void read_rows(const Dataset& dataset, const Type& memory_type, std::uint64_t begin, std::uint64_t count, void* data,
               std::string_view where);

// A whole tensor, contiguous (aligned as the file was created); and back, in the type nearest to the file's.
void write_tensor(hid_t group, const std::string& name, const Tensor& tensor, std::string_view where);
Tensor read_tensor(hid_t group, const std::string& name, std::string_view where, std::uint64_t limit_bytes);
// Where a contiguous data set's bytes lie in the file, for mapping; nullopt when it has none (chunked, compact, empty)
// or its type is not stored little-endian in exactly that of dtype_of.
std::optional<std::uint64_t> mappable_offset(const Opened& opened);

// A list of strings: written with fixed length, in chunks or contiguous; any string type is read (limit_bytes in all).
void write_texts(hid_t group, const std::string& name, const std::vector<std::string>& texts, std::string_view where,
                 bool chunked = true);
std::vector<std::string> read_texts(hid_t group, const std::string& name, std::string_view where,
                                    std::uint64_t limit_bytes = std::uint64_t{64} << 20);
// Rows [begin, begin + count) of a one-dimensional data set of strings of any type.
std::vector<std::string> read_text_rows(const Opened& opened, std::uint64_t begin, std::uint64_t count,
                                        std::string_view where, std::uint64_t limit_bytes);

}  // namespace mt::h5
