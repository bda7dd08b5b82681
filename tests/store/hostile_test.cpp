// Files that are not the contract, by accident or by intent: each is refused by name, quickly, with little memory.
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <functional>

#include <doctest/doctest.h>

#include "base/error.h"
#include "store/hdf5.h"
#include "store/sample_reader.h"
#include "store/writing.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

// A features file of another author, to be spoilt: three samples of width 4.
void write_foreign(const std::filesystem::path& path, const std::function<void(hid_t)>& spoil,
                   const std::vector<std::string>& left_out = {}) {
  h5::File file = h5::create_file(path);
  const auto wanted = [&](const char* name) {
    return std::find(left_out.begin(), left_out.end(), name) == left_out.end();
  };
  if (wanted("mt_kind")) h5::write_attribute(file.get(), "mt_kind", "features", "x");
  if (wanted("mt_format")) h5::write_attribute(file.get(), "mt_format", std::int64_t{1}, "x");
  if (wanted("ids")) h5::write_texts(file.get(), "ids", {"a", "b", "c"}, "x");
  if (wanted("features")) h5::write_tensor(file.get(), "features", Tensor(DType::f32, {3, 4}), "x");
  const h5::Lock lock;
  spoil(file.get());
  h5::close_file(file, "x");
}

void put(hid_t file, const char* name, const Tensor& tensor) { h5::write_tensor(file, name, tensor, "x"); }

template <class T>
Tensor list(std::initializer_list<T> values) {
  return Tensor::of<T>({values.size()}, values);
}

void require_refused(const std::filesystem::path& path, const char* reason) {
  CAPTURE(reason);
  CHECK_THROWS_WITH_AS(test::read_all(path), Contains(reason), Error);
}

// A data set of so many rows whose bytes are nowhere.
void declare(hid_t file, const char* name, const h5::Extents& extents, const h5::Extents& chunk = {}, int deflate = 0) {
  const h5::PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), "x", "create");
  if (!chunk.empty()) H5Pset_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data());
  if (deflate > 0) H5Pset_deflate(creation.get(), static_cast<unsigned>(deflate));
  const h5::Space space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), "x", "create");
  const h5::Dataset dataset(
      H5Dcreate2(file, name, H5T_IEEE_F32LE, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT), "x", "create");
}

long peak_kilobytes() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

}  // namespace

TEST_CASE("hostile: what is not the contract is named") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  struct Case {
    const char* reason;
    std::vector<std::string> left_out;
    std::function<void(hid_t)> spoil;
  };
  const auto nothing = [](hid_t) {};
  const std::vector<Case> cases = {
      {"no attribute mt_kind", {"mt_kind"}, nothing},
      {"no attribute mt_format", {"mt_format"}, nothing},
      {"mt_kind: is pictures", {"mt_kind"}, [](hid_t f) { h5::write_attribute(f, "mt_kind", "pictures", "x"); }},
      {"is a model file", {"mt_kind"}, [](hid_t f) { h5::write_attribute(f, "mt_kind", "model", "x"); }},
      {"mt_kind: is a 64-bit integer",
       {"mt_kind"},
       [](hid_t f) { h5::write_attribute(f, "mt_kind", std::int64_t{3}, "x"); }},
      {"has format 2, this release reads up to 1 (use a newer release",
       {"mt_format"},
       [](hid_t f) { h5::write_attribute(f, "mt_format", std::int64_t{2}, "x"); }},
      {"has format 0", {"mt_format"}, [](hid_t f) { h5::write_attribute(f, "mt_format", std::int64_t{0}, "x"); }},
      {"is unfinished", {}, [](hid_t f) { h5::write_attribute(f, "mt_creator", "mt-encode 1.0", "x"); }},
      {"is unfinished", {}, [](hid_t f) { h5::write_attribute(f, "mt_complete", std::int64_t{0}, "x"); }},
      {"mt_config", {}, [](hid_t f) { h5::write_attribute(f, "mt_config", std::string(1 << 20, '['), "x"); }},
      {"mt_config", {}, [](hid_t f) { h5::write_attribute(f, "mt_config", "[1]", "x"); }},
      {"mt_inputs", {}, [](hid_t f) { h5::write_attribute(f, "mt_inputs", "abc", "x"); }},
      {"/ids: is missing", {"ids"}, nothing},
      {"/features: is missing", {"features"}, nothing},
      {"/ids: is a 32-bit integer",
       {"ids"},
       [](hid_t f) {
         put(f, "ids", list<std::int32_t>({1, 2, 3}));
       }},
      {"/features: is a 32-bit integer, expected floats",
       {"features"},
       [](hid_t f) {
         put(f, "features", Tensor(DType::i32, {3, 4}));
       }},
      {"/features: has 1 dimensions", {"features"}, [](hid_t f) { put(f, "features", Tensor(DType::f32, {12})); }},
      {"/features: has 3 dimensions",
       {"features"},
       [](hid_t f) {
         put(f, "features", Tensor(DType::f32, {3, 2, 2}));
       }},
      {"/features: has rows of 0 numbers",
       {"features"},
       [](hid_t f) {
         put(f, "features", Tensor(DType::f32, {3, 0}));
       }},
      {"/features: has 5 rows, expected 3 by /ids",
       {"features"},
       [](hid_t f) {
         put(f, "features", Tensor(DType::f32, {5, 4}));
       }},
      {"/features: is not a data set", {"features"}, [](hid_t f) { h5::create_group(f, "features", "x"); }},
      {"/features: is a string of 1 bytes", {"features"}, [](hid_t f) { h5::write_texts(f, "features", {"a"}, "x"); }},
      {"/labels: has 2 rows, expected 3",
       {},
       [](hid_t f) {
         put(f, "labels", list<std::int32_t>({0, 1}));
       }},
      {"/labels: is a 32-bit float",
       {},
       [](hid_t f) {
         put(f, "labels", list<float>({0, 1, 1}));
       }},
      {"/labels: row 1 is -2",
       {},
       [](hid_t f) {
         put(f, "labels", list<std::int32_t>({0, -2, 1}));
       }},
      {"/labels: row 2 holds 4294967296, which is no 32-bit integer",
       {},
       [](hid_t f) {
         put(f, "labels", list<std::int64_t>({0, 1, std::int64_t{1} << 32}));
       }},
      {"/labels: row 2 is 2, there are 2 classes",
       {},
       [](hid_t f) {
         put(f, "labels", list<std::int32_t>({0, 1, 2}));
         h5::write_texts(f, "label_names", {"cat", "dog"}, "x");
       }},
      {"/index: row 1 is -5",
       {},
       [](hid_t f) {
         put(f, "index", list<std::int64_t>({0, -5, 7}));
       }},
      {"/offsets: has 3 rows, expected 4",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({0, 1, 3}));
       }},
      {"/offsets: offset 0 is 1",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({1, 1, 2, 3}));
       }},
      {"/offsets: offset 2 is 1, the one before it is 2",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({0, 2, 1, 3}));
       }},
      {"/offsets: offset 1 is -4",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({0, -4, 1, 3}));
       }},
      {"/offsets: offset 1 is 9, there are 3 rows",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({0, 9, 9, 3}));
       }},
      {"/features: has 3 rows, expected 4 by /offsets",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({0, 1, 2, 4}));
       }},
      {"/features: has 3 rows, expected 9223372036854775807",
       {},
       [](hid_t f) {
         put(f, "offsets", list<std::int64_t>({0, 1, 2, INT64_MAX}));
       }},
      {"/centers: is 2 wide, expected 3",
       {},
       [](hid_t f) {
         put(f, "centers", Tensor(DType::f32, {3, 2}));
       }},
      {"/codes: is a 32-bit float, expected integers",
       {},
       [](hid_t f) {
         put(f, "codes", Tensor(DType::f32, {3, 2}));
       }},
      {"/box_offsets: is missing",
       {},
       [](hid_t f) {
         put(f, "boxes", Tensor(DType::f32, {3, 5}));
       }},
      {"/target_names: has 1 names for 2 targets",
       {},
       [](hid_t f) {
         put(f, "targets", Tensor(DType::f32, {3, 2}));
         h5::write_texts(f, "target_names", {"height"}, "x");
       }},
      {"/rejected: is a 32-bit float", {}, [](hid_t f) { put(f, "rejected", list<float>({1})); }},
      {"/ids: is a link to another file",
       {"ids"},
       [](hid_t f) { H5Lcreate_external("other.h5", "/ids", f, "ids", H5P_DEFAULT, H5P_DEFAULT); }},
      {"/labels: is a soft link",
       {},
       [](hid_t f) { H5Lcreate_soft("/labels", f, "labels", H5P_DEFAULT, H5P_DEFAULT); }},
  };
  for (const Case& one : cases) {
    write_foreign(path, one.spoil, one.left_out);
    require_refused(path, one.reason);
  }
  // The file that all of these spoil is good.
  write_foreign(path, nothing);
  CHECK(test::read_all(path).samples() == 3);
}

TEST_CASE("hostile: ids beyond the limit are refused, and ids of any bytes can be written again") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  write_foreign(path, [](hid_t f) { h5::write_texts(f, "ids", {"a", std::string(4097, 'b'), "c"}, "x"); }, {"ids"});
  require_refused(path, "id 1 is 4097 bytes long, the limit is 4096");
  // Bytes that are not UTF-8 are kept as escapes, so that the id can be written again.
  write_foreign(path, [](hid_t f) { h5::write_texts(f, "ids", {"a", "b\xff", "c"}, "x"); }, {"ids"});
  CHECK(test::read_all(path).ids.at(1) == "b%FF");
}

TEST_CASE("hostile: bombs are refused within two seconds and 100 MB") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  const long before = peak_kilobytes();
  const auto start = std::chrono::steady_clock::now();
  const hsize_t rows = hsize_t{1} << 40;
  const auto bomb = [&](const char* name, const h5::Extents& extents, const h5::Extents& chunk, int deflate,
                        const char* reason) {
    write_foreign(path, [&](hid_t file) { declare(file, name, extents, chunk, deflate); }, {name});
    CHECK(std::filesystem::file_size(path) < 20'000);
    require_refused(path, reason);
  };
  bomb("features", {rows, 768}, {}, 0, "0 are stored");
  bomb("features", {rows, 768}, {64, 768}, 0, "are stored");
  bomb("features", {rows, 768}, {64, 768}, 9, "are stored");
  bomb("features", {rows, 768}, {hsize_t{1} << 18, 768}, 9, "chunks of 768.0 MiB");
  bomb("features", {3, hsize_t{1} << 50}, {}, 0, "are stored");
  bomb("features", {hsize_t{1} << 62, 768}, {64, 768}, 0, "overflows");
  bomb("targets", {3, hsize_t{1} << 40}, {3, 1 << 20}, 1, "are stored");
  // A real deflate chunk of 1 GiB of zeros in 1 MB.
  write_foreign(path,
                [](hid_t file) {
                  const hsize_t extents[] = {hsize_t{1} << 16, 4096};
                  const h5::PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), "x", "create");
                  H5Pset_chunk(creation.get(), 2, extents);
                  H5Pset_deflate(creation.get(), 9);
                  const h5::Space space(H5Screate_simple(2, extents, nullptr), "x", "create");
                  const h5::Dataset dataset(H5Dcreate2(file, "features", H5T_IEEE_F32LE, space.get(), H5P_DEFAULT,
                                                       creation.get(), H5P_DEFAULT),
                                            "x", "create");
                  const std::vector<char> packed(1'000'000, 'x');
                  const hsize_t at[] = {0, 0};
                  REQUIRE(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, at, packed.size(), packed.data()) >= 0);
                },
                {"features"});
  require_refused(path, "chunks of 1.0 GiB, the limit is 64.0 MiB");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
  CHECK(peak_kilobytes() - before < 100'000);
}

TEST_CASE("hostile: one sample larger than memory should hold is refused by its number") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  // 2.4 GB in chunks that claim to be deflated; what they hold is never looked at.
  write_foreign(path,
                [](hid_t file) {
                  const std::uint64_t rows = 150'000, width = 4000, chunk_rows = 4000;
                  const h5::Dataset dataset =
                      h5::create_dataset(file, "features", h5::type_of(DType::f32), {rows, width}, chunk_rows, 1, "x");
                  const std::vector<char> junk(70'000, 'x');
                  for (hsize_t at = 0; at < rows; at += chunk_rows) {
                    const hsize_t origin[] = {at, 0};
                    REQUIRE(H5Dwrite_chunk(dataset.get(), H5P_DEFAULT, 0, origin, junk.size(), junk.data()) >= 0);
                  }
                  put(file, "offsets", list<std::int64_t>({0, 1, 2, 150'000}));
                },
                {"features"});
  CHECK_THROWS_WITH_AS(SampleReader::open(path.string())->read(2, 3),
                       Contains("sample 2 (149998 rows) would take 2.2 GiB"), Error);
}

TEST_CASE("hostile: a flipped bit in any data set is noticed") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::full_schema();
  const auto path = dir / "x.h5";
  test::write_samples(path, schema, 200, 50);
  const Batch expected = test::read_all(path);
  // The bytes of the data sets' chunks, from the file itself.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> chunks;
  {
    const h5::File file = h5::open_file(path);
    const h5::Lock lock;
    for (const std::string& name : h5::names(file.get(), "x")) {
      const h5::Opened opened = h5::open_dataset(file.get(), name, "x");
      const h5::Space space(H5Dget_space(opened.dataset.get()), "x", "read");
      hsize_t count = 0, size = 0, origin[2];
      haddr_t address = 0;
      unsigned mask = 0;
      REQUIRE(H5Dget_num_chunks(opened.dataset.get(), space.get(), &count) >= 0);
      for (hsize_t i = 0; i < count; ++i) {
        REQUIRE(H5Dget_chunk_info(opened.dataset.get(), space.get(), i, origin, &mask, &address, &size) >= 0);
        chunks.emplace_back(address, size);
      }
    }
  }
  REQUIRE(chunks.size() >= 15);
  std::size_t seed = 12345;
  for (int i = 0; i < 100; ++i) {
    const auto& [address, size] = chunks[static_cast<std::size_t>(i) % chunks.size()];
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    const std::size_t bit = address * 8 + (seed >> 33) % (size * 8);
    CAPTURE(bit);
    test::flip_bit(path, bit);
    require_refused(path, "checksum");
    test::flip_bit(path, bit);
  }
  test::require_equal(test::read_all(path), expected);
}

TEST_CASE("hostile: a flipped bit anywhere in the file changes nothing that is read, or is noticed") {
  const test::TemporaryDirectory dir;
  const Schema schema = test::features_schema(2);
  const auto path = dir / "x.h5";
  test::write_samples(path, schema, 20, 20);
  const Batch expected = test::read_all(path);
  const std::size_t bits = std::filesystem::file_size(path) * 8;
  int noticed = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    const std::size_t bit = (i * 104'729 + 17) % bits;
    CAPTURE(bit);
    test::flip_bit(path, bit);
    try {
      const auto reader = SampleReader::open(path.string());
      const Batch found = test::read_all(*reader);
      test::require_equal(found, expected);
      CHECK(difference(reader->schema(), schema) == "");
    } catch (const Error&) {
      ++noticed;
    }
    test::flip_bit(path, bit);
  }
  CHECK(noticed > 100);
}

TEST_CASE("hostile: a file cut at any of 300 points is refused") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  test::write_samples(path, test::full_schema(), 100, 50);
  const std::uintmax_t size = std::filesystem::file_size(path);
  for (std::uintmax_t i = 1; i <= 300; ++i) {
    REQUIRE(::truncate(path.c_str(), static_cast<off_t>(size - i * (size / 301))) == 0);
    CHECK_THROWS_AS(test::read_all(path), Error);
  }
}

TEST_CASE("hostile: virtual sources outside of the directory are not opened") {
  const test::TemporaryDirectory dir;
  std::filesystem::create_directory(dir / "in");
  test::write_samples(dir / "source.h5", test::features_schema(4), 3, 3);
  const auto path = dir / "in/x.h5";
  for (const char* source : {"../source.h5", "/etc/passwd", "%b.h5", ".", "in/../../source.h5"}) {
    CAPTURE(source);
    write_foreign(path,
                  [&](hid_t file) {
                    const hsize_t extents[] = {3, 4};
                    const h5::Space space(H5Screate_simple(2, extents, nullptr), "x", "create");
                    const h5::PropertyList creation(H5Pcreate(H5P_DATASET_CREATE), "x", "create");
                    H5Pset_virtual(creation.get(), space.get(), source, "/features", space.get());
                    const h5::Dataset dataset(H5Dcreate2(file, "features", H5T_IEEE_F32LE, space.get(), H5P_DEFAULT,
                                                         creation.get(), H5P_DEFAULT),
                                              "x", "create");
                  },
                  {"features"});
    CHECK_THROWS_WITH_AS(test::read_all(path), Contains("its source"), Error);
  }
}
