#include "store/npy.h"

#include <cstring>
#include <memory>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/error.h"

using namespace mt;

namespace {

// What numpy.save writes: magic, version, header padded to 64 bytes, elements.
std::string npy(const std::string& dictionary, const std::string& data, char version = 1) {
  std::string header = dictionary;
  const std::size_t prefix = version == 1 ? 10 : 12;
  header += std::string(63 - (prefix + header.size()) % 64, ' ') + "\n";
  std::string file = "\x93NUMPY";
  file += version;
  file += '\0';
  for (std::size_t i = 0; i < prefix - 8; ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return file + header + data;
}

std::string dictionary(const std::string& type, const std::string& shape, bool fortran = false) {
  return fmt::format("{{'descr': '{}', 'fortran_order': {}, 'shape': {}, }}", type, fortran ? "True" : "False", shape);
}

template <class T>
std::string raw(std::initializer_list<T> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T)};
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

Tensor parse(const std::string& file) { return read_npy(bytes_of(file), "x.npy"); }

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.as<T>();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("npy: every numeric type that NumPy writes is read in this machine's order") {
  CHECK(values<float>(parse(npy(dictionary("<f4", "(2,)"), raw<float>({1.5F, -2})))) == std::vector<float>{1.5F, -2});
  CHECK(values<double>(parse(npy(dictionary("<f8", "(1, 1)"), raw<double>({0.1})))) == std::vector<double>{0.1});
  CHECK(values<std::uint8_t>(parse(npy(dictionary("|u1", "()"), "\xff"))) == std::vector<std::uint8_t>{255});
  CHECK(values<std::int16_t>(parse(npy(dictionary(">i2", "(2,)"), std::string("\x01\x02\xff\xfe", 4)))) ==
        std::vector<std::int16_t>{0x0102, -2});
  CHECK(values<float>(parse(npy(dictionary(">f4", "(1,)"), std::string("\x3f\x80\0\0", 4)))) == std::vector<float>{1});
  CHECK(values<std::int64_t>(parse(npy(dictionary("<u4", "(1,)"), raw<std::uint32_t>({4'000'000'000u})))) ==
        std::vector<std::int64_t>{4'000'000'000});
  CHECK(values<std::int64_t>(parse(npy(dictionary("<u8", "(1,)"), raw<std::uint64_t>({7})))) ==
        std::vector<std::int64_t>{7});
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("<u8", "(1,)"), raw<std::uint64_t>({std::uint64_t{1} << 63}))),
                       doctest::Contains("beyond what int64 holds"), Error);
  CHECK(parse(npy(dictionary("|b1", "(2,)"), std::string("\0\1", 2))).dtype() == DType::boolean);
  CHECK_THROWS_AS(parse(npy(dictionary("|b1", "(1,)"), "\x02")), Error);
  CHECK(parse(npy(dictionary("<f2", "(3,)"), std::string(6, '\0'))).dtype() == DType::f16);
}

TEST_CASE("npy: Fortran order becomes C order") {
  // given [[1, 2, 3], [4, 5, 6]] stored by columns
  const std::string file = npy(dictionary("<i4", "(2, 3)", true), raw<std::int32_t>({1, 4, 2, 5, 3, 6}));
  CHECK(values<std::int32_t>(parse(file)) == std::vector<std::int32_t>{1, 2, 3, 4, 5, 6});
  // given a [2, 1, 2] of big-endian bytes pairs
  const std::string swapped = npy(dictionary(">i2", "(2, 1, 2)", true), std::string("\0\1\0\3\0\2\0\4", 8));
  CHECK(values<std::int16_t>(parse(swapped)) == std::vector<std::int16_t>{1, 2, 3, 4});
}

TEST_CASE("npy: an aligned array in native order is borrowed, not copied") {
  const auto file = std::make_shared<std::string>(npy(dictionary("<f4", "(1,)"), raw<float>({3})));
  const Tensor tensor = read_npy(bytes_of(*file), "x.npy", file);
  CHECK(tensor.is_borrowed());
  CHECK(tensor.as<float>()[0] == 3);
}

TEST_CASE("npy: versions 2 and 3, other quotes, spaces and key orders are read") {
  const std::string data = raw<std::int32_t>({1, 2});
  CHECK(parse(npy(dictionary("<i4", "(2,)"), data, 2)).size() == 2);
  CHECK(parse(npy(dictionary("<i4", "(2,)"), data, 3)).size() == 2);
  CHECK(parse(npy("{ \"shape\":(1L,2),'fortran_order' : False,\"descr\":\"<i4\"}", data)).shape() == Shape{1, 2});
}

TEST_CASE("npy: text arrays give UTF-8") {
  const std::string latin = npy(dictionary("|S3", "(2,)"), std::string("catox\0", 6));
  CHECK(read_npy_text(bytes_of(latin), "x") == std::vector<std::string>{"cat", "ox"});
  const std::string wide = npy(dictionary("<U2", "(2,)"), raw<char32_t>({U'ж', U'a', U'\U0001F600', 0}));
  CHECK(read_npy_text(bytes_of(wide), "x") == std::vector<std::string>{"жa", "😀"});
  CHECK_THROWS_WITH_AS(parse(wide), doctest::Contains("holds text"), Error);
}

TEST_CASE("npy: what is not plain numbers is refused by name") {
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("|O", "(1,)"), "12345678")), doctest::Contains("pickled"), Error);
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("<c8", "(1,)"), "12345678")), doctest::Contains("<c8"), Error);
  CHECK_THROWS_WITH_AS(parse(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "1234")),
                       doctest::Contains("structured"), Error);
  CHECK_THROWS_WITH_AS(parse("no array at all"), doctest::Contains("not a .npy"), Error);
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("<f4", "(1,)"), "1234", 9)), doctest::Contains("version 9"), Error);
}

TEST_CASE("npy: declared sizes are compared with the bytes that exist before memory is asked for") {
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("<f4", "(1099511627776, 768)"), "")), doctest::Contains("ends after 0 of"),
                       Error);
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("<f4", "(4294967296, 4294967296, 4294967296)"), "")),
                       doctest::Contains("overflows"), Error);
  CHECK_THROWS_AS(parse(npy(dictionary("<f4", "(-1,)"), "1234")), Error);
  CHECK_THROWS_AS(parse(npy(dictionary("<f4", "(99999999999999999999999,)"), "1234")), Error);
  CHECK_THROWS_WITH_AS(parse(npy(dictionary("<f4", "(1,)"), "12345")), doctest::Contains("1 bytes behind"), Error);
  CHECK_THROWS_AS(read_npy_text(bytes_of(npy(dictionary("<U0", "(1099511627776,)"), "")), "x"), Error);
  CHECK(parse(npy(dictionary("<f4", "(0, 5)"), "")).shape() == Shape{0, 5});
}

TEST_CASE("npy: cut at any byte it is an error, with a byte changed it is an error or an array of the right size") {
  const std::string file = npy(dictionary("<i2", "(3, 2)"), raw<std::int16_t>({1, 2, 3, 4, 5, 6}));
  for (std::size_t size = 0; size < file.size(); ++size) CHECK_THROWS_AS(parse(file.substr(0, size)), Error);
  for (std::size_t at = 0; at < file.size() - 12; ++at) {
    for (const char c : {'\0', '\x7f', '\xff', '(', '}', '9'}) {
      std::string mutant = file;
      mutant[at] = c;
      std::size_t bytes = 12;
      try {
        bytes = parse(mutant).bytes().size();
      } catch (const Error&) {  // refused: fine
      }
      CHECK(bytes == 12);
    }
  }
}
