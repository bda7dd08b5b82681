#include <functional>
#include <limits>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "store/checkpoint.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"
#include "support/zip_builder.h"

using namespace mt;

namespace {

std::string file_of(const std::string& header, const std::string& data) {
  return test::little_endian<std::uint64_t>(header.size()) + header + data;
}

Checkpoint read(const std::string& content) {
  const test::TemporaryDirectory directory;
  test::plain_file(directory / "x.safetensors", content);
  return read_checkpoint(directory / "x.safetensors");
}

void check_refused(const std::string& content, const char* why) {
  CAPTURE(content.substr(8, 200));
  CHECK_THROWS_WITH_AS(read(content), doctest::Contains(why), Error);
}

std::string tensor(const std::string& name, const std::string& shape, std::uint64_t begin, std::uint64_t end,
                   const std::string& type = "F32") {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":[{},{}]}})", name, type, shape, begin, end);
}

}  // namespace

TEST_CASE("safetensors: what is written is read again, byte for byte, and written again to equal bytes") {
  const test::TemporaryDirectory directory;
  const std::map<std::string, Tensor> tensors = {
      {"odd", Tensor::of<std::uint8_t>({3}, {1, 2, 3})},
      {"f32", Tensor::of<float>({1, 2}, {1.5F, -0.0F})},
      {"f16", Tensor::of<Half>({1}, {to_half(0.1F)})},
      {"bf16", Tensor::of<BFloat16>({1}, {to_bfloat16(0.1F)})},
      {"scalar", Tensor::of<std::int64_t>({}, {-7})},
      {"empty", Tensor(DType::f32, {0, 5})},
      {"f64", Tensor::of<double>({2}, {0.1, std::numeric_limits<double>::infinity()})}};
  write_safetensors(directory / "a", tensors, {{"key", "naïve \"value\""}}, false);
  const Checkpoint checkpoint = read_checkpoint(directory / "a");
  CHECK(checkpoint.container == "safetensors");
  CHECK(checkpoint.metadata["key"] == "naïve \"value\"");
  REQUIRE(checkpoint.tensors.size() == tensors.size());
  for (const auto& [name, expected] : tensors) {
    const Tensor& found = checkpoint.tensors.at(name);
    CAPTURE(name);
    CHECK(found.dtype() == expected.dtype());
    CHECK(found.shape() == expected.shape());
    CHECK(std::equal(found.bytes().begin(), found.bytes().end(), expected.bytes().begin(), expected.bytes().end()));
    CHECK((found.is_borrowed() || found.empty()));
  }
  write_safetensors(directory / "b", checkpoint.tensors, {{"key", "naïve \"value\""}}, false);
  CHECK(read_file(directory / "a", 1 << 20) == read_file(directory / "b", 1 << 20));
  CHECK_THROWS_WITH_AS(write_safetensors(directory / "b", tensors, {}, false), doctest::Contains("exists already"),
                       Error);
  CHECK_NOTHROW(write_safetensors(directory / "b", tensors, {}, true));
}

TEST_CASE("safetensors: headers that lie about sizes are refused before memory is asked for") {
  check_refused(test::little_endian<std::uint64_t>(std::uint64_t{1} << 63) + "{}",
                "the safetensors header would take 8.0 EiB");
  check_refused(test::little_endian<std::uint64_t>(1000) + "{}", "ends after 10 bytes");
  check_refused(file_of("{" + tensor("a", "[1048576]", 0, 4) + "}", "1234"), "4194304 bytes, but offsets 0 to 4");
  check_refused(file_of("{" + tensor("a", "[4611686018427387905]", 0, 4) + "}", "1234"), "overflows");
  check_refused(file_of("{" + tensor("a", "[4294967296,4294967296,4294967296]", 0, 0) + "}", ""), "overflows");
  check_refused(file_of("{" + tensor("a", "[-1]", 0, 4) + "}", "1234"), "not a whole number");
  check_refused(file_of("{" + tensor("a", "[1.0]", 0, 4) + "}", "1234"), "not a whole number");
  check_refused(file_of("{" + tensor("a", "[1]", 4, 0) + "}", "1234"), "offsets 4 to 0");
  check_refused(file_of("{" + tensor("a", "[2]", 0, 8) + "}", "1234"),
                "holds 4 bytes of tensors, its header describes 8");
}

TEST_CASE("safetensors: overlaps, holes, surplus bytes and shared zero-size offsets elsewhere are refused") {
  check_refused(file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 0, 4) + "}", "1234"),
                "b starts at byte 0");
  check_refused(file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[1]", 8, 12) + "}", "123456789012"),
                "b starts at byte 8");
  check_refused(file_of("{" + tensor("a", "[1]", 0, 4) + "}", "12345"), "holds 5 bytes");
  check_refused(file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[0]", 2, 2) + "}", "1234"),
                "starts at byte");
  CHECK(read(file_of(
                 "{" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[0]", 4, 4) + "," + tensor("c", "[0]", 0, 0) + "}",
                 "1234"))
            .tensors.size() == 3);
}

TEST_CASE("safetensors: keys twice, unknown types, other fields and bad metadata are refused") {
  check_refused(file_of("{" + tensor("a", "[1]", 0, 4) + "," + tensor("a", "[1]", 0, 4) + "}", "1234"), "twice");
  check_refused(file_of("{" + tensor("a", "[4]", 0, 4, "F8_E4M3") + "}", "1234"), "F8_E4M3");
  check_refused(file_of(R"({"a":{"dtype":"F32","shape":[1]}})", "1234"), "x.safetensors: a: is not described by");
  check_refused(file_of(R"({"__metadata__":{"a":1}})", ""), "metadata");
  check_refused(file_of("{" + tensor("a", "[1]", 0, 1, "BOOL") + "}", "\2"), "neither 0 nor 1");
  check_refused(file_of("{\"a", ""), "JSON");
  check_refused(file_of("{\"a\":" + std::string(5000, '['), ""), "nested");
}

TEST_CASE("safetensors: cut anywhere it is refused; with one byte changed nothing leaves the file") {
  const std::string content =
      file_of(R"({"__metadata__":{"k":"v"},)" + tensor("a", "[1]", 0, 4) + "," + tensor("b", "[2]", 4, 8, "F16") + "}",
              "12345678");
  REQUIRE(read(content).tensors.size() == 2);
  for (std::size_t size = 1; size < content.size(); ++size) CHECK_THROWS_AS(read(content.substr(0, size)), Error);
  for (std::size_t at = 0; at < content.size() - 8; ++at) {
    for (const char value : {'\0', '9', '{', '"', '\xff'}) {
      std::string changed = content;
      changed[at] = value;
      std::size_t bytes = 8;
      try {
        bytes = 0;
        for (const auto& [name, found] : read(changed).tensors) bytes += found.bytes().size();
      } catch (const Error&) {
        bytes = 8;
      }
      CAPTURE(at);
      CHECK(bytes == 8);
    }
  }
}
