#include "decode/stored_array.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "support/temporary_directory.h"

using namespace mt;
namespace fs = std::filesystem;

namespace {

const fs::path kArrays = fs::path(MT_TESTS_DIR) / "golden" / "arrays";

std::string text_of(const std::string& name) { return read_text_file(kArrays / name, 1 << 20); }

std::string idx_failure(const fs::path& path) {
  try {
    open_idx(path);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("stored array: what is packed is unpacked once, beyond the bound into a file that has no name") {
  const test::TemporaryDirectory dir;
  const ArrayStorage on_disk{0, dir.path()};
  const StoredArray packed = open_idx(kArrays / "g-images-idx3-ubyte.gz", on_disk);
  const StoredArray plain = open_idx(kArrays / "t-images-idx3-ubyte");
  CHECK(std::ranges::equal(packed.elements, plain.elements));
  CHECK(fs::is_empty(dir.path()));
  const StoredArray member = open_npz(kArrays / "compressed.npz", "images", on_disk);
  CHECK(member.row(2).shape() == Shape{4, 6, 3});
  CHECK(fs::is_empty(dir.path()));
  CHECK_THROWS_WITH_AS(open_idx(kArrays / "g-images-idx3-ubyte.gz", {0, dir / "none"}),
                       doctest::Contains("No such file"), Error);
}

TEST_CASE("stored array: rows are read where they lie") {
  const StoredArray plain = open_npy(kArrays / "grey.npy");
  CHECK(plain.rows() == 5);
  CHECK(plain.row(4).as<std::uint8_t>()[23] == 235);
}

TEST_CASE("stored array: an IDX file cut at any byte is refused, packed or not") {
  const test::TemporaryDirectory dir;
  for (const char* name : {"t-images-idx3-ubyte", "g-images-idx3-ubyte.gz"}) {
    const std::string whole = text_of(name);
    for (std::size_t size = 1; size < whole.size(); ++size) {
      std::ofstream(dir / "cut", std::ios::binary) << whole.substr(0, size);  // not write_file, which syncs each time
      CHECK(idx_failure(dir / "cut") != "accepted");
    }
    write_file(dir / "long", whole + "x");
    CHECK(idx_failure(dir / "long") != "accepted");
  }
}

TEST_CASE("stored array: declared sizes are compared with what is there before memory is asked for") {
  const test::TemporaryDirectory dir;
  const std::string huge("\0\0\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16);
  write_file(dir / "overflow", huge);
  CHECK(idx_failure(dir / "overflow").find("overflows") != std::string::npos);
  const std::string large("\0\0\x08\x02\x00\x10\x00\x00\x00\x10\x00\x00", 12);  // 2^40 bytes
  write_file(dir / "large", large);
  CHECK(idx_failure(dir / "large").find("has 0 bytes of data where 1099511627776") != std::string::npos);
  // the same header in a stored deflate block
  const std::string packed = std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff\0\x0c\0\xf3\xff", 15) + large +
                             std::string("\0\x08\0\xf7\xff", 5) + std::string(8, 'x');
  write_file(dir / "packed", packed);
  CAPTURE(idx_failure(dir / "packed"));
  CHECK(idx_failure(dir / "packed").find("compressed ones cannot hold them") != std::string::npos);
}

TEST_CASE("stored array: files are told apart by their content") {
  CHECK(array_format(kArrays / "t-images-idx3-ubyte") == ArrayFormat::idx);
  CHECK(array_format(kArrays / "g-images-idx3-ubyte.gz") == ArrayFormat::idx);
  CHECK(array_format(kArrays / "grey.npy") == ArrayFormat::npy);
  CHECK(array_format(kArrays / "stored.npz") == ArrayFormat::npz);
  CHECK(array_format(fs::path(MT_TESTS_DIR) / "golden/images/rgb.tga") == ArrayFormat::none);
  CHECK(array_format(fs::path(MT_TESTS_DIR) / "golden/images/rgb_rle.tga") == ArrayFormat::none);
}

TEST_CASE("stored array: members of an NPZ are listed with their shapes, unreadable ones with the reason") {
  const std::vector<NpzMember> members = list_npz(kArrays / "objects.npz");
  REQUIRE(members.size() == 2);
  CHECK(members[0].name == "pictures");
  CHECK(members[0].header.shape == Shape{5, 4, 6});
  CHECK(members[1].unread.find("pickled") != std::string::npos);
}
