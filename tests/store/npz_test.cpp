#include "store/npz.h"

#include <utility>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"
#include "support/zip_builder.h"

using namespace mt;

namespace {

std::string npy_of(const std::string& shape, const std::string& content) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }";
  header += std::string(63 - (10 + header.size()) % 64, ' ') + "\n";
  return std::string("\x93NUMPY\1\0", 8) + test::little_endian(static_cast<std::uint16_t>(header.size())) + header +
         content;
}

std::filesystem::path written(const test::TemporaryDirectory& directory, const std::string& content) {
  test::plain_file(directory / "x.npz", content);
  return directory / "x.npz";
}

}  // namespace

TEST_CASE("npz: stored and deflated members give their arrays, and outlive the reader") {
  const test::TemporaryDirectory directory;
  const std::string values = test::little_endian(1.5F) + test::little_endian(-2.0F);
  const auto path = written(
      directory, test::make_zip({{"a.npy", npy_of("(2,)", values)}, {"b.npy", npy_of("(1, 2)", values), true}}));
  Tensor a, b;
  {
    const Npz npz(path);
    CHECK(npz.names() == std::vector<std::string>{"a", "b"});
    CHECK(npz.has("a"));
    CHECK_FALSE(npz.has("a.npy"));
    a = npz.read("a");
    b = npz.read("b");
  }
  CHECK(std::as_const(a).as<float>()[1] == -2);
  CHECK(b.shape() == Shape{1, 2});
  CHECK(std::as_const(b).as<float>()[0] == 1.5F);
  CHECK_THROWS_WITH_AS(Npz(path).read("c"), doctest::Contains("has no array \"c\", only a, b"), Error);
}

TEST_CASE("npz: a member that is no array, damage and a bomb's declared size are refused") {
  const test::TemporaryDirectory directory;
  CHECK_THROWS_WITH_AS(Npz(written(directory, test::make_zip({{"a.txt", "x"}}))),
                       doctest::Contains("not a NumPy array"), Error);
  std::string damaged = test::make_zip({{"a.npy", npy_of("(1,)", "1234")}});
  damaged[damaged.find("1234")] = '5';
  CHECK_THROWS_WITH_AS(Npz(written(directory, damaged)).read("a"), doctest::Contains("checksum"), Error);
  std::string bomb = test::make_zip({{"a.npy", npy_of("(1,)", "1234"), true}});
  const std::string huge = test::little_endian<std::uint32_t>(1U << 30);
  bomb.replace(22, 4, huge).replace(bomb.rfind("PK\1\2") + 24, 4, huge);
  CHECK_THROWS_WITH_AS(Npz(written(directory, bomb)), doctest::Contains("unpacking it would take 1.0 GiB"), Error);
}
