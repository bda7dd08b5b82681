#include "decode/image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/threads.h"
#include "decode/goldens.h"
#include "support/temporary_directory.h"

using namespace mt;
namespace fs = std::filesystem;

namespace {

const fs::path kArrays = fs::path(MT_TESTS_DIR) / "golden" / "arrays";

void put_picture(const fs::path& path, const std::string& golden = "grey8.png") {
  fs::create_directories(path.parent_path());
  fs::copy_file(test::kGoldenImages / golden, path);
}

ImageSourceOptions inputs(std::vector<std::string> names, std::string labels = "") {
  ImageSourceOptions options;
  options.inputs = std::move(names);
  options.labels = std::move(labels);
  return options;
}

ImageSourceOptions manifest(const fs::path& path) {
  ImageSourceOptions options;
  options.manifests = {path.string()};
  return options;
}

std::vector<std::string> ids(const ImageSource& source) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < source.size(); ++i) all.push_back(source.id(i));
  return all;
}

// "cat" for each sample, "?" when unknown.
std::vector<std::string> labels(const ImageSource& source) {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < source.size(); ++i) {
    all.push_back(source.label(i) < 0 ? "?" : source.label_names().at(static_cast<std::size_t>(source.label(i))));
  }
  return all;
}

std::string failure(const ImageSourceOptions& options) {
  try {
    ImageSource::open(options);
  } catch (const UsageError& error) {
    return std::string("usage: ") + error.what();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string load_failure(const ImageSource& source, std::size_t i) {
  try {
    source.load(i);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

using Strings = std::vector<std::string>;

// Standard input is the file for as long as this lives.
class StandardInput {
 public:
  explicit StandardInput(const fs::path& file) : saved_(::dup(STDIN_FILENO)) {
    const int opened = ::open(file.c_str(), O_RDONLY);
    ::dup2(opened, STDIN_FILENO);
    ::close(opened);
  }
  ~StandardInput() {
    ::dup2(saved_, STDIN_FILENO);
    ::close(saved_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  int saved_;
};

}  // namespace

TEST_CASE("image source: a directory gives its pictures in bytewise order, classes are folder names") {
  const test::TemporaryDirectory dir;
  for (const char* name : {"dog/2.png", "dog/10.PNG", "cat/a.jpeg", "cat-2/x.tif", "Zebra/deep/er/b.gif",
                           ".hidden/c.png", "dog/.d.png", "top.webp"}) {
    put_picture(dir / name);
  }
  write_file(dir / "dog/readme.txt", "no picture");
  write_file(dir / "dog/labels.csv", "no picture");
  const auto source = ImageSource::open(inputs({dir.path().string()}, "directory"));
  CHECK(ids(*source) ==
        Strings{"Zebra/deep/er/b.gif", "cat-2/x.tif", "cat/a.jpeg", "dog/10.PNG", "dog/2.png", "top.webp"});
  CHECK(labels(*source) == Strings{"er", "cat-2", "cat", "dog", "dog", dir.path().filename().string()});
  CHECK(source->load(2).image.pixels.shape() == Shape{9, 13, 1});  // by content: a.jpeg is a PNG
  const auto unlabelled = ImageSource::open(inputs({dir.path().string()}));
  CHECK_FALSE(unlabelled->has_labels());
  CHECK(unlabelled->label(0) == -1);
}

TEST_CASE("image source: links to directories above are not followed for ever, others are") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "a/1.png");
  fs::create_directory_symlink(dir.path(), dir / "a/up");
  fs::create_directory_symlink(dir / "a", dir / "b");
  CHECK(ids(*ImageSource::open(inputs({dir.path().string()}))) == Strings{"a/1.png", "b/1.png"});
}

TEST_CASE("image source: a file given by name is taken whatever it is called, a missing one is an error") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "data");
  const auto source = ImageSource::open(inputs({(dir / "data").string()}));
  CHECK(ids(*source) == Strings{"data"});
  CHECK(source->load(0).image.height() == 9);
  CHECK(failure(inputs({(dir / "none.png").string()})).find("No such file") != std::string::npos);
  CHECK(failure(inputs({})).find("usage: no input was given") == 0);
  ::mkfifo((dir / "pipe").c_str(), 0600);
  CHECK(failure(inputs({(dir / "pipe").string()})).find("neither a file nor a directory") != std::string::npos);
  fs::create_directory(dir / "empty");
  CHECK(failure(inputs({(dir / "empty").string()})).find("holds no picture files") != std::string::npos);
}

TEST_CASE("image source: ids escape what is no text, and the first duplicate is named") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "line\nbreak.png");
  put_picture(dir / "latin\xE9.png");
  CHECK(ids(*ImageSource::open(inputs({dir.path().string()}))) == Strings{"latin%E9.png", "line%0Abreak.png"});
  put_picture(dir / "x/1.png");
  put_picture(dir / "y/1.png");
  CHECK(failure(inputs({(dir / "x").string(), (dir / "y").string()})) ==
        "1.png: two samples have this id, the second is number 2 of 2 (give the directory above them, a list of paths, "
        "or a "
        "manifest with ids)");
  put_picture(dir / "z/a.png");
  put_picture(dir / "z/a.jpg");
  ImageSourceOptions stems = inputs({(dir / "z").string()});
  CHECK(ids(*ImageSource::open(stems)) == Strings{"a.jpg", "a.png"});
  stems.id_stem = true;
  CHECK(failure(stems).find("a: two samples have this id") == 0);
}

TEST_CASE("image source: a list on standard input names files, one a line") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "one/1.png");
  put_picture(dir / "two/2.png");
  write_file(dir / "list", fmt::format("{0}/one/1.png\r\n\n{0}/two/2.png", dir.path().string()));
  const StandardInput input(dir / "list");
  const auto source = ImageSource::open(inputs({"-"}, "directory"));
  CHECK(ids(*source) == Strings{dir.path().string() + "/one/1.png", dir.path().string() + "/two/2.png"});
  CHECK(labels(*source) == Strings{"one", "two"});
  CHECK(source->load(1).image.width() == 13);
  CHECK(failure(inputs({"-", "-"})).find("usage: -: standard input was named twice") == 0);
}

TEST_CASE("image source: CSV, TSV, JSON and JSON lines say the same") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "p/a.png");
  put_picture(dir / "p/b.png");
  const std::map<std::string, std::string> manifests = {
      {"m.csv", "path,label,id\r\np/a.png,\"cat, big\",first\r\np/b.png,,second\r\n"},
      {"m.tsv", "id\tpath\tlabel\nfirst\tp/a.png\tcat, big\nsecond\tp/b.png\t\n"},
      {"m.json", R"([{"path": "p/a.png", "label": "cat, big", "id": "first"}, {"path": "p/b.png", "id": "second"}])"},
      {"lines",
       "{\"path\": \"p/a.png\", \"label\": \"cat, big\", \"id\": \"first\"}\n\n{\"path\": \"p/b.png\", \"label\": "
       "null, \"id\": \"second\"}\n"},
      {"keys.json",
       "{\"first\": {\"path\": \"p/a.png\", \"label\": \"cat, big\"},\n\"second\": {\"path\": \"p/b.png\"}}"},
      {"one_line.json", R"({"first": {"path": "p/a.png", "label": "cat, big"}, "second": {"path": "p/b.png"}})"},
  };
  for (const auto& [name, text] : manifests) {
    CAPTURE(name);
    write_file(dir / name, text);
    const auto source = ImageSource::open(manifest(dir / name));
    CHECK(ids(*source) == Strings{"first", "second"});
    CHECK(labels(*source) == Strings{"cat, big", "?"});
    CHECK(source->has_labels());
    CHECK(source->load(1).image.width() == 13);  // relative to the manifest
  }
}

TEST_CASE("image source: columns have the names that are given, and missing ones are named") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "images/1.jpg", "grey.jpg");
  write_file(dir / "m.json", R"({"1": {"image_filepath": "images/1.jpg", "anomaly_class": "Offline-Module"}})");
  ImageSourceOptions options = manifest(dir / "m.json");
  CHECK(failure(options).find("has no column \"path\", its columns are: anomaly_class, image_filepath") !=
        std::string::npos);
  options.path_column = "image_filepath";
  CHECK_FALSE(ImageSource::open(options)->has_labels());
  options.label_column = "anomaly_class";
  CHECK(labels(*ImageSource::open(options)) == Strings{"Offline-Module"});
  write_file(dir / "m.csv", "path\nimages/1.jpg\n");
  options = manifest(dir / "m.csv");
  CHECK(ids(*ImageSource::open(options)) == Strings{"images/1.jpg"});
  options.label_column = "klass";
  CHECK(failure(options).find("has no column \"klass\"") != std::string::npos);
  write_file(dir / "m.csv", "path,label\n,cat\n");
  CHECK(failure(manifest(dir / "m.csv")).find("line 2: has an empty path") != std::string::npos);
  write_file(dir / "m.csv", "");
  CHECK(failure(manifest(dir / "m.csv")).find("is empty") != std::string::npos);
  write_file(dir / "deep.json", std::string(100'000, '['));
  CHECK(failure(manifest(dir / "deep.json")).find("nested deeper") != std::string::npos);
}

TEST_CASE("image source: what cannot be used is an error of its own sample, with its reason") {
  const test::TemporaryDirectory dir;
  put_picture(dir / "good.png");
  write_file(dir / "empty.png", "");
  write_file(dir / "text.png", "no picture");
  ::mkfifo((dir / "pipe.png").c_str(), 0600);
  write_file(dir / "m.csv", "path\ngood.png\nempty.png\ntext.png\nnone.png\npipe.png\n.\n/dev/zero\n");
  const auto source = ImageSource::open(manifest(dir / "m.csv"));
  CHECK(load_failure(*source, 0) == "accepted");
  CHECK(load_failure(*source, 1).find("is empty") != std::string::npos);
  CHECK(load_failure(*source, 2).find("no picture of a known format") != std::string::npos);
  CHECK(load_failure(*source, 3).find("No such file") != std::string::npos);
  CHECK(load_failure(*source, 4).find("not a regular file") != std::string::npos);
  CHECK(load_failure(*source, 5).find("is a directory") != std::string::npos);
  CHECK(load_failure(*source, 6).find("not a regular file") != std::string::npos);
}

TEST_CASE("image source: IDX files, plain and packed, bring the labels that lie beside them") {
  for (const char* name : {"t-images-idx3-ubyte", "g-images-idx3-ubyte.gz"}) {
    CAPTURE(name);
    const auto source = ImageSource::open(inputs({(kArrays / name).string()}));
    CHECK(source->size() == 5);
    CHECK(source->id(3) == fmt::format("{}#3", name));
    CHECK(source->label_names() == Strings{"2", "7", "10"});  // by value
    CHECK(labels(*source) == Strings{"7", "10", "7", "2", "10"});
    const Image image = source->load(3).image;
    CHECK(image.pixels.shape() == Shape{4, 6, 1});
    CHECK(image.pixels.as<std::uint8_t>()[1 * 6 + 5] == 50 * 3 + 10 + 5);
  }
  // the same picture has the same digest wherever it lies
  const auto plain = ImageSource::open(inputs({(kArrays / "t-images-idx3-ubyte").string()}));
  const auto numpy = ImageSource::open(inputs({(kArrays / "grey.npy").string()}));
  CHECK(plain->digest(4) == numpy->load(4).digest);
  const Image shifted = ImageSource::open(inputs({(kArrays / "int16.idx").string()}))->load(0).image;
  CHECK(shifted.pixels.as<float>()[7] == 11 - 100);
}

TEST_CASE("image source: dimensions of NumPy arrays are read as documented") {
  const auto first_pixels = [](const char* name, std::size_t row) {
    const auto source = ImageSource::open(inputs({(kArrays / name).string()}));
    const Image image = source->load(row).image;
    const Tensor values = image.pixels.to(DType::f32);
    return fmt::format("{} {} {} {}", source->size(), to_string(image.pixels.shape()), name_of(image.pixels.dtype()),
                       values.as<float>()[values.size() - 1]);
  };
  // the last pixel of picture 2 is 2 * 50 + 3 * 10 + 5 = 135, its third channel 135 + 200 - 256 = 79
  CHECK(first_pixels("grey.npy", 2) == "5 [4, 6, 1] uint8 135");
  CHECK(first_pixels("nhwc.npy", 2) == "5 [4, 6, 3] uint8 79");
  CHECK(first_pixels("nchw.npy", 2) == "5 [4, 6, 3] uint8 79");
  CHECK(first_pixels("fortran.npy", 2) == "5 [4, 6, 3] uint8 79");
  CHECK(first_pixels("one_grey.npy", 0) == "1 [4, 6, 1] uint8 135");
  CHECK(first_pixels("one_rgb.npy", 0) == "1 [4, 6, 3] uint8 79");
  CHECK(first_pixels("big_endian16.npy", 2) == fmt::format("5 [4, 6, 1] uint16 {}", 135 * 257));
  CHECK(first_pixels("float64.npy", 2) == fmt::format("5 [4, 6, 1] float32 {}", static_cast<float>(135 / 255.0)));
  CHECK(first_pixels("bool.npy", 2) == "5 [4, 6, 1] uint8 255");
  CHECK(ids(*ImageSource::open(inputs({(kArrays / "one_grey.npy").string()}))) == Strings{"one_grey.npy"});
  ImageSourceOptions options = inputs({(kArrays / "grey.npy").string()});
  options.id_stem = true;
  CHECK(ImageSource::open(options)->id(1) == "grey#1");
  CHECK(failure(inputs({(kArrays / "grey.npy").string()}, "directory")).find("usage: --labels directory") == 0);
}

TEST_CASE("image source: a manifest may name NumPy files of one picture each") {
  const test::TemporaryDirectory dir;
  fs::copy_file(kArrays / "one_rgb.npy", dir / "a.npy");
  fs::copy_file(kArrays / "grey.npy", dir / "b.npy");
  write_file(dir / "m.csv", "path\na.npy\nb.npy\n");
  const auto source = ImageSource::open(manifest(dir / "m.csv"));
  CHECK(source->load(0).image.pixels.shape() == Shape{4, 6, 3});
  CHECK(load_failure(*source, 1).find("holds 5 pictures where one is needed") != std::string::npos);
}

TEST_CASE("image source: arrays of an NPZ are chosen by name, or found when there is no doubt") {
  const auto compressed = ImageSource::open(inputs({(kArrays / "compressed.npz").string()}));
  CHECK(compressed->load(2).image.pixels.shape() == Shape{4, 6, 3});
  CHECK(compressed->id(2) == "compressed.npz#2");
  CHECK(labels(*compressed) == Strings{"dog", "cat", "dog", "owl", "cat"});  // text, beside "images"
  ImageSourceOptions options = inputs({(kArrays / "stored.npz").string()});
  CHECK(failure(options).find(
            "holds 2 arrays that could be the samples: x_train [5, 4, 6], y_train [5], x_test [2, 4, 6]") !=
        std::string::npos);
  options.array = "x_train";
  CHECK(labels(*ImageSource::open(options)) == Strings{"7", "10", "7", "2", "10"});
  options.label_array = "y_test";
  CHECK(failure(options).find("holds 2 labels for 5 samples") != std::string::npos);
  options.label_array = "y_tran";
  CHECK(failure(options).find("has no array \"y_tran\"") != std::string::npos);
  CHECK(ImageSource::open(inputs({(kArrays / "objects.npz").string()}))->size() == 5);
  options = inputs({(kArrays / "objects.npz").string()});
  options.array = "names";
  CHECK(failure(options).find("pickled Python objects") != std::string::npos);
  options = inputs({(kArrays / "grey.npy").string()});
  options.array = "x";
  CHECK(failure(options).find("usage: x: names an array, but no input is an .npz file") == 0);
}

TEST_CASE("image source: a file of labels labels by order or by id") {
  const test::TemporaryDirectory dir;
  const std::string grey = (kArrays / "grey.npy").string();
  CHECK(labels(*ImageSource::open(inputs({grey}, (kArrays / "g-labels-idx1-ubyte.gz").string()))) ==
        Strings{"7", "10", "7", "2", "10"});
  CHECK(labels(*ImageSource::open(inputs({grey}, (kArrays / "compressed.npz").string()))) ==
        Strings{"dog", "cat", "dog", "owl", "cat"});
  write_file(dir / "l.csv", "id,label\ngrey.npy#1,b\ngrey.npy#0,a\nelsewhere,c\n");
  CHECK(labels(*ImageSource::open(inputs({grey}, (dir / "l.csv").string()))) == Strings{"a", "b", "?", "?", "?"});
  write_file(dir / "l.csv", "id,label\nelsewhere,c\n");
  CHECK(failure(inputs({grey}, (dir / "l.csv").string()))
            .find("names none of the 5 samples, whose first id is \"grey.npy#0\"") != std::string::npos);
  write_file(dir / "l.csv", "id,label\ngrey.npy#1,b\ngrey.npy#1,a\n");
  CHECK(failure(inputs({grey}, (dir / "l.csv").string()))
            .find("line 3: labels \"grey.npy#1\" \"a\", an earlier line \"b\"") != std::string::npos);
  CHECK(failure(inputs({grey}, (dir / "none").string())).find("No such file") != std::string::npos);
  const std::string two = (kArrays / "t-images-idx3-ubyte").string();
  CHECK(
      failure(inputs({grey, two}, (kArrays / "t-labels-idx1-ubyte").string())).find("holds 5 labels for 10 samples") !=
      std::string::npos);
  // paths and ids without extension
  put_picture(dir / "p/a.png");
  write_file(dir / "l.csv", "path,label\n./a.png,x\n");
  ImageSourceOptions options = inputs({(dir / "p").string()}, (dir / "l.csv").string());
  CHECK(labels(*ImageSource::open(options)) == Strings{"x"});
  options.id_stem = true;
  CHECK(labels(*ImageSource::open(options)) == Strings{"x"});
}

TEST_CASE("image source: samples load from several threads at once, and their digests are those of the bytes") {
  const test::TemporaryDirectory dir;
  for (int i = 0; i < 40; ++i) put_picture(dir / fmt::format("{:02}.jpg", i), i % 2 == 0 ? "rgb420.jpg" : "rgb8.png");
  ImageSourceOptions options = inputs({dir.path().string(), (kArrays / "g-images-idx3-ubyte.gz").string()});
  const auto source = ImageSource::open(options);
  REQUIRE(source->size() == 45);
  std::vector<Digest> digests(source->size());
  ThreadPool pool(4);
  pool.parallel_for(source->size(), [&](std::size_t i, std::size_t) { digests[i] = source->load(i).digest; });
  for (std::size_t i = 0; i < source->size(); ++i) CHECK(digests[i] == source->digest(i));
  CHECK(digests[0] == sha256_file(test::kGoldenImages / "rgb420.jpg"));
  CHECK(digests[1] == sha256_file(test::kGoldenImages / "rgb8.png"));
}
