#include "store/zip.h"

#include <string>

#include <doctest/doctest.h>

#include "base/error.h"
#include "support/zip_builder.h"

using namespace mt;
using test::make_zip;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string content_of(const ZipArchive& archive, const ZipEntry& entry) {
  std::string content(entry.size, '\0');
  ZipStream stream(archive, entry);
  stream.read(std::as_writable_bytes(std::span(content.data(), content.size())));
  stream.finish();
  return content;
}

std::string content_of(const std::string& zip, std::string_view name) {
  const ZipArchive archive(bytes_of(zip), "x.zip");
  const ZipEntry* entry = archive.find(name);
  REQUIRE(entry != nullptr);
  return content_of(archive, *entry);
}

// All contents one after the other, "refused" when the archive or one of its entries is.
std::string everything(const std::string& zip) {
  try {
    const ZipArchive archive(bytes_of(zip), "x.zip");
    std::string all;
    for (const ZipEntry& entry : archive.entries()) all += entry.name + "=" + content_of(archive, entry) + ";";
    return all;
  } catch (const Error&) {
    return "refused";
  }
}

void check_refused(const std::string& zip, const char* why) {
  CHECK_THROWS_WITH_AS(ZipArchive(bytes_of(zip), "x.zip"), doctest::Contains(why), Error);
}

}  // namespace

TEST_CASE("zip: stored and deflated entries, zip64 fields, descriptors and zip64 directories are read") {
  for (const bool zip64 : {false, true}) {
    for (const bool descriptor : {false, true}) {
      const std::string zip = make_zip({{"a/b.pkl", "hello", false, zip64, descriptor, 0, -1},
                                        {"c", std::string(100000, 'x'), true, zip64, descriptor, 0, -1},
                                        {"empty", "", true, zip64, descriptor, 0, -1}},
                                       zip64);
      CHECK(content_of(zip, "a/b.pkl") == "hello");
      CHECK(content_of(zip, "c") == std::string(100000, 'x'));
      CHECK(content_of(zip, "empty").empty());
      CHECK(ZipArchive(bytes_of(zip), "x.zip").find("d") == nullptr);
    }
  }
  CHECK(ZipArchive(bytes_of(make_zip({})), "x.zip").entries().empty());
}

TEST_CASE("zip: a stored entry is a view of the file, a compressed one is refused as such") {
  const std::string zip = make_zip({{"a", "hello"}, {"b", "hello", true}});
  const ZipArchive archive(bytes_of(zip), "x.zip");
  const auto view = archive.stored(*archive.find("a"));
  CHECK(reinterpret_cast<const char*>(view.data()) >= zip.data());
  CHECK(reinterpret_cast<const char*>(view.data()) < zip.data() + zip.size());
  CHECK_THROWS_WITH_AS(archive.stored(*archive.find("b")), doctest::Contains("x.zip: b: is compressed"), Error);
}

TEST_CASE("zip: names that could leave a folder are refused, and so is a name twice") {
  for (const std::string name : {"../a", "a/../b", "/etc/passwd", "a\\b", "", "a\nb", "\xff", ".."}) {
    CAPTURE(name);
    check_refused(make_zip({{name, "x"}}), "unsafe name");
  }
  check_refused(make_zip({{"a", "x"}, {"b", "y"}, {"a", "z"}}), "holds \"a\" twice");
  CHECK_NOTHROW(ZipArchive(bytes_of(make_zip({{"a..b/.c", "x"}})), "x.zip"));
}

TEST_CASE("zip: encryption, unknown methods and unknown flags are refused") {
  check_refused(make_zip({{"a", "x", false, false, false, 1, -1}}), "encrypted");
  check_refused(make_zip({{"a", "x", false, false, false, 0, 12}}), "not supported");
  check_refused(make_zip({{"a", "x", false, false, false, 0x2000, -1}}), "not supported");
}

TEST_CASE("zip: an entry that reaches into the next one is refused") {
  // given an entry whose content is itself a local header, which the directory lists too
  const std::string inner = make_zip({{"b", "hidden"}});
  std::string zip = make_zip({{"a", inner.substr(0, 31 + 6)}, {"b", "hidden"}});
  const std::size_t central = zip.rfind("PK\1\2");
  const std::size_t nested = zip.find("PK\3\4", 4);
  zip.replace(central + 42, 4, test::little_endian(static_cast<std::uint32_t>(nested)));
  check_refused(zip, "overlaps");
}

TEST_CASE("zip: the two headers of an entry must agree") {
  const std::string zip = make_zip({{"weights", "12345678"}});
  for (const std::size_t at : {6U, 8U, 14U, 18U, 22U, 30U}) {  // flags, method, checksum, sizes, name
    std::string changed = zip;
    changed[at] = static_cast<char>(changed[at] ^ 2);
    CAPTURE(at);
    check_refused(changed, "disagree");
  }
}

TEST_CASE("zip: bytes behind the end, a second directory that differs and a huge one are refused") {
  const std::string zip = make_zip({{"a", "x"}}, true);
  check_refused(zip + "y", "cut short or damaged");
  std::string other = zip;
  other[zip.rfind("PK\6\6") + 24] = 2;  // number of entries on this disk
  check_refused(other, "disagree");
  std::string many = make_zip({{"a", "x"}});
  many.replace(many.size() - 14, 4, "\xff\xff\xff\xff");
  check_refused(many, "cannot be");
  check_refused("PK\5\6", "cut short or damaged");
  check_refused("", "cut short or damaged");
}

TEST_CASE("zip: a bomb's declared size is met by its bytes, not by memory") {
  std::string zip = make_zip({{"a", "hello", true}});
  const std::string huge = test::little_endian<std::uint32_t>(1U << 30);
  zip.replace(22, 4, huge).replace(zip.rfind("PK\1\2") + 24, 4, huge);
  const ZipArchive archive(bytes_of(zip), "x.zip");
  ZipStream stream(archive, archive.entries()[0]);
  std::string content(100, '\0');
  CHECK_THROWS_WITH_AS(stream.read(std::as_writable_bytes(std::span(content.data(), content.size()))),
                       doctest::Contains("cannot be unpacked"), Error);
}

TEST_CASE("zip: cut anywhere it is refused; with one byte changed it is refused or gives the same contents") {
  const std::string zip = make_zip(
      {{"a", "hello"}, {"b", "deflated", true}, {"c", "sixty-four", false, true}, {"d", "later", false, false, true}},
      true);
  const std::string whole = everything(zip);
  REQUIRE(whole == "a=hello;b=deflated;c=sixty-four;d=later;");
  for (std::size_t size = 0; size < zip.size(); ++size) REQUIRE(everything(zip.substr(0, size)) == "refused");
  for (std::size_t at = 0; at < zip.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      std::string changed = zip;
      changed[at] = static_cast<char>(value);
      const std::string result = everything(changed);
      CAPTURE(at);
      CHECK((result == "refused" || result == whole));
    }
  }
}
