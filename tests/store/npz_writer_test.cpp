#include "store/npz_writer.h"

#include <doctest/doctest.h>

#include "base/byte_reader.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/files.h"
#include "store/npy.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

struct Member {
  std::string name;
  std::vector<std::byte> bytes;
};

// A zip reader for exactly what the writer makes: directory entries with zip64 fields, stored members.
std::vector<Member> members_of(const std::filesystem::path& path) {
  const std::vector<std::byte> file = read_file(path, 1 << 24);
  ByteReader end(file, "zip", file.size() - 22 - 20 - 56);
  REQUIRE(end.take<std::uint32_t>() == 0x06064B50);
  end.skip(20);
  const auto count = end.take<std::uint64_t>();
  REQUIRE(end.take<std::uint64_t>() == count);
  const auto directory_size = end.take<std::uint64_t>(), directory = end.take<std::uint64_t>();
  REQUIRE(directory + directory_size == file.size() - 22 - 20 - 56);
  ByteReader entry(file, "zip", directory);
  std::vector<Member> members;
  for (std::uint64_t i = 0; i < count; ++i) {
    REQUIRE(entry.take<std::uint32_t>() == 0x02014B50);
    entry.skip(6);
    REQUIRE(entry.take<std::uint16_t>() == 0);  // stored
    entry.skip(4);
    const auto crc = entry.take<std::uint32_t>();
    entry.skip(8);
    const auto name_length = entry.take<std::uint16_t>();
    entry.skip(16);
    Member member{std::string(entry.take_text(name_length)), {}};
    entry.skip(4);
    const auto size = entry.take<std::uint64_t>();
    entry.skip(8);
    ByteReader local(file, "zip", entry.take<std::uint64_t>());
    REQUIRE(local.take<std::uint32_t>() == 0x04034B50);
    local.skip(10);
    REQUIRE(local.take<std::uint32_t>() == crc);
    local.skip(12);
    REQUIRE(local.take_text(name_length) == member.name);
    local.skip(4);
    REQUIRE(local.take<std::uint64_t>() == size);
    local.skip(8);
    const auto bytes = local.take_bytes(size);
    REQUIRE(crc32_of(bytes) == crc);
    member.bytes.assign(bytes.begin(), bytes.end());
    members.push_back(std::move(member));
  }
  return members;
}

void write_sample(const std::filesystem::path& path) {
  write_file(path, "");
  NpzWriter writer(path, "sample.npz");
  const Tensor features = Tensor::of<float>({3, 2}, {1, 2, 3, 4, 5, 6});
  writer.begin("features", "<f4", 4, {2});
  writer.append(features.bytes().first(8));
  writer.append(features.bytes().subspan(8));
  writer.end();
  writer.add("labels", Tensor::of<std::int32_t>({3}, {0, 1, -1}));
  writer.add_text("ids", std::vector<std::string>{"a.png", "", "dé/\u20ac\U0001F600.png"});
  writer.add_scalar_text("config", "{\"x\": 1}");
  writer.add("nothing", Tensor(DType::f32, {0, 7}));
  writer.finish();
}

}  // namespace

TEST_CASE("npz writer: arrays come back with their shapes, types and texts") {
  const test::TemporaryDirectory directory;
  const auto path = directory / "sample.npz";
  write_sample(path);
  const std::vector<Member> members = members_of(path);
  REQUIRE(members.size() == 5);
  CHECK(members[0].name == "features.npy");
  const Tensor features = read_npy(members[0].bytes, "features");
  CHECK(features.shape() == Shape{3, 2});
  CHECK(features.as<float>()[5] == 6);
  CHECK(read_npy(members[1].bytes, "labels").as<std::int32_t>()[2] == -1);
  CHECK(read_npy_text(members[2].bytes, "ids") == std::vector<std::string>{"a.png", "", "dé/\u20ac\U0001F600.png"});
  CHECK(parse_npy_header(members[3].bytes, "config").shape.empty());
  CHECK(read_npy(members[4].bytes, "nothing").shape() == Shape{0, 7});
}

TEST_CASE("npz writer: the same arrays give the bytes that numpy.load was seen to read") {
  const test::TemporaryDirectory directory;
  write_sample(directory / "a.npz");
  write_sample(directory / "b.npz");
  CHECK(sha256_file(directory / "a.npz") == sha256_file(directory / "b.npz"));
  // Read with NumPy 2.4.6 and checked with unzip -t when this digest was taken; a change here needs both again.
  CHECK(hex(sha256_file(directory / "a.npz")) == "25477665a07f15edebce52f14ae16c3ce9fc49466d19b541957c3ccaa069a850");
}

TEST_CASE("npz writer: a name twice and a type that NumPy lacks are refused") {
  const test::TemporaryDirectory directory;
  write_file(directory / "x.npz", "");
  NpzWriter writer(directory / "x.npz", "x.npz");
  writer.add("a", Tensor(DType::f32, {1}));
  CHECK_THROWS_WITH_AS(writer.add("a", Tensor(DType::f32, {1})), "x.npz: would hold the array \"a\" twice", Error);
  CHECK_THROWS_AS(writer.add("b", Tensor(DType::bf16, {1})), Error);
  CHECK_THROWS_AS(writer.add_text("c", std::vector<std::string>{"\xff"}), Error);
}

TEST_CASE("npz writer: a full disk is heard") {
  NpzWriter writer("/dev/full", "full.npz");
  CHECK_THROWS_WITH_AS(
      [&] {
        writer.add("a", Tensor(DType::f32, {1 << 20}));
        writer.finish();
      }(),
      doctest::Contains("full.npz: could not"), Error);
}
