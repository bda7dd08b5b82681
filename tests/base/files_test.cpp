#include "base/files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/temporary_directory.h"

using namespace mt;
namespace fs = std::filesystem;

TEST_CASE("staged file: without publish nothing appears and nothing is left") {
  const test::TemporaryDirectory dir;
  { const StagedFile staged(dir / "out"); }
  CHECK(fs::is_empty(dir.path()));
}

TEST_CASE("staged file: publishing replaces the target in one step, through a symbolic link too") {
  const test::TemporaryDirectory dir;
  write_file(dir / "real", "old");
  fs::create_symlink("real", dir / "link");
  write_file(dir / "link", "new");
  CHECK(fs::is_symlink(dir / "link"));
  CHECK(read_text_file(dir / "real", 100) == "new");
  CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()) == 2);
}

TEST_CASE("files: wrong kinds are refused by name") {
  const test::TemporaryDirectory dir;
  CHECK_THROWS_WITH_AS(read_file(dir.path(), 10), doctest::Contains("is a directory"), Error);
  CHECK_THROWS_WITH_AS(read_file(dir / "none", 10), doctest::Contains("No such file"), Error);
  CHECK_THROWS_AS(StagedFile(dir.path()), Error);
  CHECK_THROWS_AS(StagedFile(dir / "no/such/file"), Error);
  write_file(dir / "big", std::string(100, 'x'));
  CHECK_THROWS_AS(read_file(dir / "big", 99), Error);
  CHECK_THROWS_AS(read_file("/dev/zero", 1000), Error);
  write_file(dir / "empty", "");
  CHECK_THROWS_AS(MappedFile::open(dir / "empty"), Error);
}

TEST_CASE("released pages: a mapped file reads as before, other memory keeps its content") {
  const test::TemporaryDirectory dir;
  const std::string text(100'000, 'x');
  write_file(dir / "file", text);
  const auto file = MappedFile::open(dir / "file");
  const auto is_whole = [](std::span<const std::byte> bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{'x'}; });
  };
  CHECK(is_whole(file->bytes()));
  release_pages(file->bytes());
  release_pages(file->bytes().subspan(5000, 50'000));
  CHECK(is_whole(file->bytes()));
  const std::span<const std::byte> heap = std::as_bytes(std::span(text));
  release_pages(heap);
  CHECK(is_whole(heap));
}
