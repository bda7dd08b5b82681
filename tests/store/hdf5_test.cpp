#include "store/hdf5.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>

#include <doctest/doctest.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/files.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

h5::Dataset raw_dataset(const h5::File& file, const char* name, hid_t type, const h5::Extents& extents,
                        hid_t creation) {
  const h5::Lock lock;
  const h5::Space space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), "test", "create");
  return {H5Dcreate2(file.get(), name, type, space.get(), H5P_DEFAULT, creation, H5P_DEFAULT), "test", "create"};
}

h5::PropertyList creation_list() {
  const h5::Lock lock;
  return {H5Pcreate(H5P_DATASET_CREATE), "test", "prepare"};
}

void require_refused(const std::filesystem::path& path, const char* name, const char* reason) {
  const h5::File file = h5::open_file(path);
  CHECK_THROWS_WITH_AS(h5::open_dataset(file.get(), name, "x.h5"), Contains(reason), Error);
}

}  // namespace

TEST_CASE("hdf5: tensors, texts and attributes come back as they were written") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  const std::string long_text(100'000, 'j');
  {
    h5::File file = h5::create_file(path, 64);
    for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
                              DType::i8, DType::u8, DType::u16}) {
      Tensor tensor(dtype, {3, 5});
      for (std::size_t i = 0; i < tensor.bytes().size(); ++i)
        tensor.mutable_data()[i] = static_cast<std::byte>(i % 100);
      h5::write_tensor(file.get(), std::string(name_of(dtype)), tensor, "x.h5");
    }
    h5::write_texts(file.get(), "texts", {"a", "", "größer"}, "x.h5");
    h5::write_attribute(file.get(), "empty", "", "x.h5");
    h5::write_attribute(file.get(), "long", long_text, "x.h5");
    h5::write_attribute(file.get(), "number", std::int64_t{-7}, "x.h5");
    h5::close_file(file, "x.h5");
  }
  const h5::File file = h5::open_file(path);
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i64, DType::i32, DType::i16,
                            DType::i8, DType::u8, DType::u16}) {
    const Tensor tensor = h5::read_tensor(file.get(), std::string(name_of(dtype)), "x.h5", 1000);
    CHECK(tensor.dtype() == dtype);
    CHECK(tensor.shape() == Shape{3, 5});
    CHECK(tensor.bytes()[9] == std::byte{9});
    CHECK(h5::mappable_offset(h5::open_dataset(file.get(), std::string(name_of(dtype)), "x.h5")).has_value());
  }
  CHECK(*h5::mappable_offset(h5::open_dataset(file.get(), "float64", "x.h5")) % 64 == 0);
  CHECK(h5::read_texts(file.get(), "texts", "x.h5") == std::vector<std::string>{"a", "", "größer"});
  CHECK(h5::read_text_attribute(file.get(), "empty", "x.h5") == "");
  CHECK(h5::read_text_attribute(file.get(), "long", "x.h5") == long_text);
  CHECK(h5::read_integer_attribute(file.get(), "number", "x.h5") == -7);
  CHECK_FALSE(h5::read_integer_attribute(file.get(), "absent", "x.h5").has_value());
  CHECK_THROWS_WITH_AS(h5::read_integer_attribute(file.get(), "long", "x.h5"), Contains("expected an integer"), Error);
  CHECK_THROWS_WITH_AS(h5::read_text_attribute(file.get(), "long", "x.h5", 99'999), Contains("100000"), Error);
  CHECK_THROWS_WITH_AS(h5::read_tensor(file.get(), "float64", "x.h5", 119), Contains("limit"), Error);
  CHECK_THROWS_WITH_AS(h5::read_tensor(file.get(), "none", "x.h5", 1), Contains("x.h5: /none: is missing"), Error);
}

TEST_CASE("hdf5: extents without bytes behind them are refused before anything is read") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  {
    const h5::File file = h5::create_file(path);
    const auto plain = creation_list();
    raw_dataset(file, "contiguous", H5T_IEEE_F32LE, {hsize_t{1} << 40, 768}, plain.get());
    raw_dataset(file, "overflow", H5T_IEEE_F32LE, {hsize_t{1} << 40, hsize_t{1} << 40}, plain.get());
    const auto chunked = creation_list();
    const hsize_t chunk[] = {64, 768};
    H5Pset_chunk(chunked.get(), 2, chunk);
    raw_dataset(file, "chunked", H5T_IEEE_F32LE, {hsize_t{1} << 40, 768}, chunked.get());
    raw_dataset(file, "unwritten", H5T_IEEE_F32LE, {64, 768}, chunked.get());
    H5Pset_deflate(chunked.get(), 1);
    raw_dataset(file, "deflated", H5T_IEEE_F32LE, {hsize_t{1} << 40, 768}, chunked.get());
    const auto huge = creation_list();
    const hsize_t gigabyte[] = {hsize_t{1} << 28};
    H5Pset_chunk(huge.get(), 1, gigabyte);
    H5Pset_deflate(huge.get(), 1);
    raw_dataset(file, "gigabyte", H5T_IEEE_F32LE, {hsize_t{1} << 28}, huge.get());
  }
  CHECK(std::filesystem::file_size(path) < 10'000);
  require_refused(path, "contiguous", "0 are stored");
  require_refused(path, "overflow", "overflows");
  require_refused(path, "chunked", "are stored");
  require_refused(path, "unwritten", "are stored");
  require_refused(path, "deflated", "are stored");
  require_refused(path, "gigabyte", "chunks of 1.0 GiB");
}

TEST_CASE("hdf5: links, other files, unknown filters and wrong objects are refused by name") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  {
    const h5::File file = h5::create_file(path);
    h5::write_tensor(file.get(), "data", Tensor(DType::f32, {4}), "x.h5");
    const h5::Lock lock;
    H5Lcreate_external("/etc/passwd", "/data", file.get(), "external", H5P_DEFAULT, H5P_DEFAULT);
    H5Lcreate_soft("/soft", file.get(), "soft", H5P_DEFAULT, H5P_DEFAULT);
    h5::create_group(file.get(), "group", "x.h5");
    const auto outside = creation_list();
    H5Pset_external(outside.get(), "/etc/passwd", 0, 16);
    raw_dataset(file, "outside", H5T_IEEE_F32LE, {4}, outside.get());
    const auto nbit = creation_list();
    const hsize_t chunk[] = {4};
    H5Pset_chunk(nbit.get(), 1, chunk);
    H5Pset_nbit(nbit.get());
    raw_dataset(file, "nbit", H5T_IEEE_F32LE, {4}, nbit.get());
    const auto twice = creation_list();
    H5Pset_chunk(twice.get(), 1, chunk);
    H5Pset_deflate(twice.get(), 1);
    H5Pset_deflate(twice.get(), 1);
    raw_dataset(file, "twice", H5T_IEEE_F32LE, {4}, twice.get());
    raw_dataset(file, "deep", H5T_IEEE_F32LE, h5::Extents(32, 1), H5P_DEFAULT);
    const auto virtual_list = creation_list();
    const h5::Space space(H5Screate_simple(1, chunk, nullptr), "test", "create");
    H5Pset_virtual(virtual_list.get(), space.get(), "/etc/passwd", "/data", space.get());
    raw_dataset(file, "virtual", H5T_IEEE_F32LE, {4}, virtual_list.get());
  }
  require_refused(path, "external", "x.h5: /external: is a link to another file");
  require_refused(path, "soft", "is a soft link");
  require_refused(path, "group", "is not a data set");
  require_refused(path, "outside", "keeps its data in other files");
  require_refused(path, "nbit", "filter 5");
  require_refused(path, "twice", "each once");
  require_refused(path, "deep", "32 dimensions");
  require_refused(path, "virtual", "virtual data set");
}

TEST_CASE("hdf5: a file cut at any of 300 points, and what is no HDF5 at all, are refused") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  {
    h5::File file = h5::create_file(path);
    h5::write_tensor(file.get(), "data", Tensor(DType::f32, {100, 100}), "x.h5");
    h5::close_file(file, "x.h5");
  }
  const std::uintmax_t size = std::filesystem::file_size(path);
  for (std::uintmax_t i = 1; i <= 300; ++i) {
    REQUIRE(::truncate(path.c_str(), static_cast<off_t>(size - i * (size / 301))) == 0);
    CHECK_THROWS_AS(h5::open_file(path), Error);
  }
  CHECK_THROWS_WITH_AS(h5::open_file(dir / "none"), Contains("No such file"), Error);
  CHECK_THROWS_WITH_AS(h5::open_file(dir.path()), Contains("is a directory"), Error);
}

TEST_CASE("hdf5: a file that another program has locked is said to be that") {
  const test::TemporaryDirectory dir;
  const auto path = dir / "x.h5";
  {
    h5::File file = h5::create_file(path);
    h5::close_file(file, "x.h5");
  }
  const Descriptor other(path, O_RDWR, "open");
  REQUIRE(::flock(other.get(), LOCK_EX | LOCK_NB) == 0);
  CHECK_THROWS_WITH_AS(h5::open_file(path), Contains("another program writes this file (set HDF5_USE_FILE_LOCKING"),
                       Error);
}

TEST_CASE("hdf5: chunks hold whole rows, 256 KiB to 1 MiB, and waste less than a row each") {
  for (const std::uint64_t row_bytes : {1, 8, 3072, 100'000, 500'000, 5'000'000}) {
    for (const std::uint64_t rows : {1, 2, 100, 1000, 70'000, 1'000'003}) {
      CAPTURE(row_bytes);
      CAPTURE(rows);
      const std::uint64_t chunk = h5::chunk_rows_for(rows, row_bytes);
      const std::uint64_t chunks = (rows + chunk - 1) / chunk;
      CHECK(chunk >= 1);
      CHECK(chunk <= rows);
      CHECK(chunks * chunk - rows <= chunks);
      CHECK((chunk == 1 || chunk * row_bytes <= (1 << 20)));
      CHECK((chunk == rows || row_bytes > (256 << 10) || chunk * row_bytes >= (256 << 10)));
    }
  }
  CHECK(h5::chunk_rows_for(0, 8) == 0);
}

TEST_CASE("hdf5: an image in memory becomes the same file again, and a cut one is refused") {
  const auto make = [] {
    std::vector<std::byte> image;
    h5::File file = h5::create_image(image, 100);
    h5::write_tensor(file.get(), "data", Tensor::of<float>({2}, {1, 2}), "frame");
    h5::write_tensor(file.get(), "large", Tensor(DType::f32, {1 << 20}), "frame");
    h5::close_image(file, image);
    return image;
  };
  const std::vector<std::byte> image = make();
  CHECK(image == make());
  CHECK(h5::has_hdf5_signature(image));
  const h5::File one = h5::open_image(image, "frame");
  const h5::File two = h5::open_image(image, "frame");
  CHECK(h5::read_tensor(one.get(), "data", "frame", 100).as<float>()[1] == 2);
  CHECK(h5::read_tensor(two.get(), "large", "frame", 1 << 22).size() == 1 << 20);
  for (std::size_t size = 0; size < image.size(); size += size < 4096 ? 1 : image.size() / 100) {
    CAPTURE(size);
    CHECK_THROWS_AS(h5::open_image(std::span(image).first(size), "frame"), Error);
  }
}
