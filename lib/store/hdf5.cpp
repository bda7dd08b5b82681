#include "store/hdf5.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

namespace mt::h5 {

namespace {

constexpr std::array<unsigned char, 8> kSignature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

// Never destroyed: handles of static duration may still close after main.
std::recursive_mutex& mutex() {
  static auto* const instance = new std::recursive_mutex;
  return *instance;
}

void prepare_library() {
  static const bool once = [] {
    H5dont_atexit();
    H5open();
    H5PLset_loading_state(0);
    return true;
  }();
  // In thread-safe builds of HDF5 each thread has an error stack, which prints until told not to.
  thread_local const bool silenced = [] {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    return true;
  }();
  static_cast<void>(once);
  static_cast<void>(silenced);
}

// The first entry of an upward walk is the innermost function, which knows the reason.
extern "C" herr_t keep_first(unsigned n, const H5E_error2_t* error, void* out) {
  if (n == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
  return 0;
}

std::string innermost_reason() {
  std::string reason;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &reason);
  H5Eclear2(H5E_DEFAULT);
  return reason;
}

enum class Access : std::uint8_t { read, write };

PropertyList file_access(std::string_view where, Access access) {
  PropertyList list(H5Pcreate(H5P_FILE_ACCESS), where, "prepare");
  // HDF5 opens the sources of virtual data sets "weak", and refuses a file that is open in two ways.
  const H5F_close_degree_t degree = access == Access::write ? H5F_CLOSE_SEMI : H5F_CLOSE_WEAK;
  check(H5Pset_fclose_degree(list.get(), degree), where, "prepare");
  // Enough for a few chunks of our size, which HDF5's 1 MiB is not.
  check(H5Pset_cache(list.get(), 0, 521, std::size_t{4} << 20, 0.75), where, "prepare");
#if H5_VERSION_GE(1, 10, 7)
  check(H5Pset_file_locking(list.get(), true, true), where, "prepare");  // HDF5_USE_FILE_LOCKING overrides this
#endif
  return list;
}

// Creation lists of files, groups and data sets: without times, equal input gives equal bytes.
PropertyList timeless(hid_t list_class, std::string_view where) {
  PropertyList list(H5Pcreate(list_class), where, "prepare");
  check(H5Pset_obj_track_times(list.get(), false), where, "prepare");
  return list;
}

// HDF5 takes two images of one name for the same open file, so each gets a name of its own.
std::string image_name() {
  static std::uint64_t count = 0;  // under the lock
  return fmt::format("image {}", count++);
}

// HDF5's memory driver works in a buffer of ours. H5Fget_file_image would copy, and up to HDF5 1.14 gives a wrong
// checksum in the superblock (it clears the "open for writing" mark there and nothing else).
extern "C" {
void* same_data(void* data) { return data; }
herr_t keep_data(void*) { return 0; }
herr_t keep_image(void*, H5FD_file_image_op_t, void*) { return 0; }
void* same_image(void* to, const void*, size_t, H5FD_file_image_op_t, void*) { return to; }
void* grow_image(void*, size_t size, H5FD_file_image_op_t, void* data) {
  auto& bytes = *static_cast<std::vector<std::byte>*>(data);
  try {
    bytes.resize(size);
  } catch (const std::exception&) {
    return nullptr;
  }
  return bytes.data();
}
void* new_image(size_t size, H5FD_file_image_op_t operation, void* data) {
  return grow_image(nullptr, size, operation, data);
}
void* given_image(size_t, H5FD_file_image_op_t, void* data) { return data; }
void* refuse_to_grow(void*, size_t, H5FD_file_image_op_t, void*) { return nullptr; }
}

H5FD_file_image_callbacks_t growing_image(std::vector<std::byte>& bytes) {
  return {new_image, same_image, grow_image, keep_image, same_data, keep_data, &bytes};
}

H5FD_file_image_callbacks_t fixed_image(std::span<const std::byte> image) {
  // Opened read only: HDF5 does not write through this pointer.
  return {
      given_image, same_image, refuse_to_grow, keep_image, same_data, keep_data, const_cast<std::byte*>(image.data())};
}

std::string inside(std::string_view where, const std::string& name) { return fmt::format("{}: /{}", where, name); }

// See hdf5_fault.h: locks that this thread holds, and the name of the file that was opened last, cut where it is long.
thread_local volatile int locks_held = 0;
char last_opened[1024] = {};

}  // namespace

Lock::Lock() : lock_(mutex()) {
  locks_held = locks_held + 1;
  prepare_library();
}

Lock::~Lock() { locks_held = locks_held - 1; }

const char* file_in_hands() noexcept { return locks_held > 0 && last_opened[0] != 0 ? last_opened : nullptr; }

void fail(std::string_view where, std::string_view verb) {
  const Lock lock;
  std::string reason = innermost_reason();
  unsigned long long end = 0, base = 0, stored = 0;
  if (std::sscanf(reason.c_str(), "truncated file: eof = %llu, sblock->base_addr = %llu, stored_eof = %llu", &end,
                  &base, &stored) == 3) {
    throw Error(where, fmt::format("is cut: {} of {} bytes are there", end, stored), "make it again or copy it again");
  }
  if (reason.find("unable to lock file") != std::string::npos) {
    throw Error(where, "the file system refuses locks, or another program writes this file",
                "set HDF5_USE_FILE_LOCKING=BEST_EFFORT");
  }
  // System calls' failures come with addresses and times around the message.
  constexpr std::string_view kMark = "error message = '";
  if (const std::size_t begin = reason.find(kMark); begin != std::string::npos) {
    const std::size_t from = begin + kMark.size();
    reason = reason.substr(from, reason.find('\'', from) - from);
  }
  if (reason.find("Fletcher32") != std::string::npos) {
    throw Error(where, "is damaged: its contents do not match their checksum", "make it again or copy it again");
  }
  throw Error(where, fmt::format("HDF5 could not {}: {}", verb, reason.empty() ? "no reason given" : reason));
}

// ---------------------------------------------------------------------------------------------------- files

bool has_hdf5_signature(std::span<const std::byte> first_bytes) {
  return first_bytes.size() >= kSignature.size() &&
         std::memcmp(first_bytes.data(), kSignature.data(), kSignature.size()) == 0;
}

File create_file(const std::filesystem::path& path, std::size_t alignment) {
  const Lock lock;
  const std::string where = path.string();
  const PropertyList access = file_access(where, Access::write);
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), where, "prepare");
  if (alignment > 0) check(H5Pset_alignment(access.get(), alignment, alignment), where, "prepare");
  const PropertyList creation = timeless(H5P_FILE_CREATE, where);
  return {H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), where, "create it"};
}

File open_file(const std::filesystem::path& path, std::string_view name) {
  const Lock lock;
  const std::string where = name.empty() ? path.string() : std::string(name);
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw system_error(where, "open", errno);
  if (S_ISDIR(status.st_mode)) throw Error(where, "is a directory, not a file");
  if (!S_ISREG(status.st_mode)) throw Error(where, "is not a regular file");
  last_opened[printable(where).copy(last_opened, sizeof last_opened - 1)] = 0;
  const PropertyList access = file_access(where, Access::read);
  return {H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), where, "open it"};
}

File create_image(std::vector<std::byte>& bytes, std::size_t expected_size) {
  const Lock lock;
  bytes.clear();
  bytes.reserve(expected_size);
  const PropertyList access = file_access("frame", Access::write);
  check(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), "frame", "prepare");
  check(H5Pset_fapl_core(access.get(), std::size_t{1} << 16, false), "frame", "prepare");
  H5FD_file_image_callbacks_t callbacks = growing_image(bytes);
  check(H5Pset_file_image_callbacks(access.get(), &callbacks), "frame", "prepare");
  const PropertyList creation = timeless(H5P_FILE_CREATE, "frame");
  return {H5Fcreate(image_name().c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), "frame", "create it"};
}

void close_image(File& file, std::vector<std::byte>& bytes) {
  const Lock lock;
  check(H5Fflush(file.get(), H5F_SCOPE_LOCAL), "frame", "write it");
  const ssize_t size = H5Fget_file_image(file.get(), nullptr, 0);
  if (size < 0) fail("frame", "measure it");
  file.close("frame");
  bytes.resize(static_cast<std::size_t>(size));
}

File open_image(std::span<const std::byte> image, std::string_view where) {
  const Lock lock;
  const PropertyList access = file_access(where, Access::read);
  check(H5Pset_fapl_core(access.get(), std::size_t{1} << 16, false), where, "prepare");
  H5FD_file_image_callbacks_t callbacks = fixed_image(image);
  check(H5Pset_file_image_callbacks(access.get(), &callbacks), where, "prepare");
  check(H5Pset_file_image(access.get(), const_cast<std::byte*>(image.data()), image.size()), where, "prepare");
  return {H5Fopen(image_name().c_str(), H5F_ACC_RDONLY, access.get()), where, "open it"};
}

void close_file(File& file, std::string_view where) {
  const Lock lock;
  check(H5Fflush(file.get(), H5F_SCOPE_LOCAL), where, "write it");
  file.close(where);
}

// ---------------------------------------------------------------------------------------------------- names

bool has(hid_t group, const std::string& name, std::string_view where) {
  const Lock lock;
  const htri_t exists = H5Lexists(group, name.c_str(), H5P_DEFAULT);
  if (exists < 0) fail(inside(where, name), "look it up");
  if (exists == 0) return false;
  H5L_info_t info;
  check(H5Lget_info(group, name.c_str(), &info, H5P_DEFAULT), inside(where, name), "look it up");
  if (info.type != H5L_TYPE_HARD) {
    throw Error(inside(where, name), info.type == H5L_TYPE_SOFT ? "is a soft link" : "is a link to another file",
                "links are not followed: store the data themselves");
  }
  return true;
}

std::vector<std::string> names(hid_t group, std::string_view where) {
  const Lock lock;
  constexpr hsize_t kMost = 1'000'000;
  H5G_info_t info;
  check(H5Gget_info(group, &info), where, "list it");
  if (info.nlinks > kMost) throw Error(where, fmt::format("holds {} names, the limit is {}", info.nlinks, kMost));
  std::vector<std::string> list;
  const auto collect = [](hid_t, const char* name, const H5L_info_t*, void* out) -> herr_t {
    static_cast<std::vector<std::string>*>(out)->emplace_back(name);
    return 0;
  };
  hsize_t position = 0;
  check(H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &position, collect, &list), where, "list it");
  std::sort(list.begin(), list.end());
  return list;
}

bool is_group(hid_t group, const std::string& name, std::string_view where) {
  const Lock lock;
  if (!has(group, name, where)) return false;
  const Handle<H5Oclose> object(H5Oopen(group, name.c_str(), H5P_DEFAULT), inside(where, name), "open it");
  return H5Iget_type(object.get()) == H5I_GROUP;
}

Group create_group(hid_t parent, const std::string& name, std::string_view where) {
  const Lock lock;
  const PropertyList creation = timeless(H5P_GROUP_CREATE, where);
  return {H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), inside(where, name), "create it"};
}

Group open_group(hid_t parent, const std::string& name, std::string_view where) {
  const Lock lock;
  if (!has(parent, name, where)) throw Error(inside(where, name), "is missing");
  return {H5Gopen2(parent, name.c_str(), H5P_DEFAULT), inside(where, name), "open it as a group"};
}

}  // namespace mt::h5
