#include "store/checkpoint.h"

#include <chrono>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "support/checkpoint_goldens.h"
#include "support/pickle_builder.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"

using namespace mt;
using namespace mt::test;

namespace {

Checkpoint read(const std::string& content) {
  const TemporaryDirectory directory;
  plain_file(directory / "x.pth", content);
  return read_checkpoint(directory / "x.pth");
}

void check_refused(const std::string& content, const char* why) {
  CHECK_THROWS_WITH_AS(read(content), doctest::Contains(why), Error);
}

const std::string kFour = std::string(16, '\0');  // four float32

std::string one_tensor(const std::string& storage, const std::string& offset, const std::string& shape,
                       const std::string& strides) {
  return pytorch_file(dict_of("w", pickled_tensor(storage, offset, shape, strides)), kFour);
}
std::string numbers(std::initializer_list<std::int32_t> values) {
  std::string all;
  for (const std::int32_t value : values) all += pickled_number(value);
  return pickled_tuple(all);
}

}  // namespace

TEST_CASE("checkpoint: files that torch, safetensors and NumPy saved hold what these libraries say") {
  const nlohmann::json expectations = checkpoint_expectations();
  for (const auto& [file, expected] : expectations["containers"].items()) {
    CAPTURE(file);
    const Checkpoint checkpoint = read_checkpoint(checkpoint_golden(file));
    CHECK(checkpoint.container == expected["container"].get<std::string>());
    nlohmann::json found = nlohmann::json::object();
    for (const auto& [name, tensor] : checkpoint.tensors) found[name] = described(tensor);
    CHECK(found == expected["tensors"]);
    for (const auto& [name, value] : expected["metadata"].items()) CHECK(checkpoint.metadata[name] == value);
  }
}

TEST_CASE("checkpoint: row-major tensors of a mapped file are not copied") {
  const Checkpoint checkpoint = read_checkpoint(checkpoint_golden("types.pth"));
  CHECK(checkpoint.tensors.at("views.rows").is_borrowed());
  CHECK(checkpoint.tensors.at("views.rows").data() ==
        checkpoint.tensors.at("views.whole").data() + 2 * 4 * sizeof(float));
  CHECK_FALSE(checkpoint.tensors.at("views.transposed").is_borrowed());
}

TEST_CASE("checkpoint: the trained ResNet of the old PyTorch format is read") {
  const std::filesystem::path path =
      std::filesystem::path(MT_TESTS_DIR) / "../../shared/data/weights/legacy_pickle_resnet20/resnet20-12fca82f.th";
  if (!std::filesystem::exists(path)) {
    MESSAGE("skipped: the data are not here");
    return;
  }
  const Checkpoint checkpoint = read_checkpoint(path);
  CHECK(checkpoint.tensors.at("state_dict.module.conv1.weight").shape() == Shape{16, 3, 3, 3});
  CHECK(checkpoint.metadata["best_prec1"].get<double>() == doctest::Approx(91.78));
}

TEST_CASE("pickle: whatever wants to be called is refused by name, and nothing is called") {
  const std::string command = pickled_tuple(pickled_text("touch /tmp/mt-was-here"));
  check_refused(pytorch_file(pickled_global("os", "system") + command + "R"), "wants \"os.system\" from Python");
  check_refused(pytorch_file(pickled_global("posix", "system") + command + "R"), "posix.system");
  check_refused(pytorch_file(pickled_global("builtins", "eval") + command + "R"), "builtins.eval");
  check_refused(pytorch_file(pickled_text("os") + pickled_text("system") + "\x93" + command + "R"), "os.system");
  check_refused(pytorch_file(pickled_global("torch", "load") + command + "R"), "torch.load");
  check_refused(pytorch_file(pickled_global("__torch__", "Model") + ")\x81"),
                "__torch__.Model");  // not a script archive
  check_refused(pytorch_file(pickled_global("timm.models", "ViT") + ")\x81"), "save the weights alone");
  check_refused(pytorch_file("(" + pickled_text("touch /tmp/x") + "ios\nsystem\n"), "instruction 0x69");
  check_refused(pytorch_file(pickled_text("a") + command + "R"), "calls something that has no name");
  CHECK_FALSE(std::filesystem::exists("/tmp/mt-was-here"));
}

TEST_CASE("pickle: items are set in dictionaries only, and appended to lists only") {
  check_refused(pytorch_file("]" + pickled_text("a") + "Ns"), "not a dict");
  check_refused(pytorch_file("](" + pickled_text("a") + "Nu"), "not a dict");
  check_refused(pytorch_file(")" + pickled_text("a") + "a"), "not a list");
  check_refused(pytorch_file("}(" + pickled_text("a") + "u"), "key without a value");
  check_refused(pytorch_file("N}b"), "not an object");
}

TEST_CASE("pickle: nesting, memo bombs, endless loops and stack tricks end cleanly") {
  check_refused(pytorch_file(std::string(10000, ']') + std::string(9999, 'a')), "nested deeper than 64");
  // 64 dictionaries, each holding the next one twice: 2^64 paths
  std::string twice = "}";
  for (int i = 0; i < 60; ++i)
    twice = "}(" + pickled_text("a") + twice + "q" + static_cast<char>(i) + pickled_text("b") + "h" +
            static_cast<char>(i) + "u";
  const auto start = std::chrono::steady_clock::now();
  check_refused(pytorch_file(twice), "again and again");
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));  // sanitizers; 0.1 s without
  // a list that holds itself
  check_refused(pytorch_file("]q\1h\1a"), "nested deeper than 64");
  std::string memo = "N";
  for (std::uint32_t i = 0; i < (1U << 20) + 1; ++i) memo += "r" + little_endian(i * 7919);
  check_refused(pytorch_file(memo), "remembers more values");
  check_refused(pytorch_file(std::string((1 << 19) + 1, 'N')), "more values than any checkpoint");
  check_refused(pytorch_file("N" + std::string(1 << 22, '2')), "longer than any checkpoint");
  check_refused(pytorch_file("0"), "never made");
  check_refused(pytorch_file("N(0"), "never made");
  check_refused(pytorch_file("h\5"), "never stored");
  check_refused(pytorch_file("t"), "never opened");
  check_refused(pytorch_file("NN"), "leaves values behind");
  check_refused(pytorch_file("\x8e" + little_endian<std::uint64_t>(std::uint64_t{1} << 62)), "ends after");
}

TEST_CASE("pytorch: views must stay in their storage, and storages in their entry") {
  CHECK(read(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({2, 2}), numbers({2, 1}))).tensors.size() ==
        1);
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({5}), numbers({1})),
                "element 5 of a storage of 4");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(3), numbers({2}), numbers({1})),
                "element 5 of a storage of 4");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({2, 2}), numbers({1, 4})), "element 6");
  check_refused(one_tensor(pickled_storage("0", 100), pickled_number(0), numbers({100}), numbers({1})),
                "declares 400 bytes for \"archive/data/0\", which has 16");
  check_refused(one_tensor(pickled_storage("0", 3), pickled_number(0), numbers({3}), numbers({1})),
                "declares 12 bytes");
  check_refused(one_tensor(pickled_storage("7", 4), pickled_number(0), numbers({4}), numbers({1})), "does not hold");
  check_refused(one_tensor(pickled_storage("../version", 4), pickled_number(0), numbers({4}), numbers({1})),
                "does not hold");
  check_refused(one_tensor(pickled_storage("0", 2147483647), pickled_number(0), numbers({1}), numbers({1})),
                "declares 8589934588");
}

TEST_CASE("pytorch: negative and overlapping strides, negative offsets and unknown types are refused") {
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(3), numbers({4}), numbers({-1})),
                "not a natural number");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(-1), numbers({1}), numbers({1})),
                "not a natural number");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({-4}), numbers({1})),
                "not a natural number");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({1000000000}), numbers({0})), "overlap");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({2, 2}), numbers({1, 1})), "overlap");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0), numbers({2}), numbers({1, 1})),
                "different length");
  check_refused(one_tensor(pickled_storage("0", 4), pickled_number(0),
                           numbers({2147483647, 2147483647, 2147483647, 2147483647}), numbers({1, 1, 1, 1})),
                "overflow");
  check_refused(
      one_tensor(pickled_storage("0", 4, "ComplexFloatStorage"), pickled_number(0), numbers({4}), numbers({1})),
      "ComplexFloatStorage");
  check_refused(
      pytorch_file(dict_of("w", pickled_tensor(pickled_text("x"), pickled_number(0), numbers({4}), numbers({1}))),
                   kFour),
      "unknown way");
}

TEST_CASE("pytorch: many views cannot multiply memory") {
  std::string values;
  for (int i = 0; i < 200; ++i) {
    values += pickled_text("w" + std::to_string(i)) +
              pickled_tensor(pickled_storage("0", 1 << 16), pickled_number(0), numbers({256, 256}), numbers({1, 256}));
  }
  check_refused(pytorch_file("}(" + values + "u", std::string(4 << 16, '\0')), "too many orders");
}

TEST_CASE("pytorch: one name twice, big-endian files and compressed storages are refused") {
  const std::string tensor = pickled_tensor(pickled_storage("0", 4), pickled_number(0), numbers({4}), numbers({1}));
  check_refused(pytorch_file("}(" + pickled_text("w") + tensor + pickled_text("w") + tensor + "u", kFour),
                "holds \"w\" twice");
  const std::string pickle = "\x80\2" + dict_of("w", tensor) + ".";
  check_refused(make_zip({{"a/data.pkl", pickle}, {"a/byteorder", "big"}, {"a/data/0", kFour}}), "byte order \"big\"");
  check_refused(make_zip({{"a/data.pkl", pickle}, {"a/data/0", kFour, true}}), "is compressed");
  check_refused(pytorch_file(dict_of("\xff", tensor), kFour), "not UTF-8");
}

TEST_CASE("checkpoint: what people download by mistake is named") {
  check_refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer");
  check_refused("<!DOCTYPE html><html>", "web page");
  check_refused("\x89HDF\r\n\x1a\n", "HDF5");
  check_refused("\x80\4N.", "bare Python pickle");
  check_refused("hello, this is text", "not a checkpoint that is known");
  check_refused(make_zip({{"readme.txt", "x"}}), "neither data.pkl");
  check_refused("", "empty");
  CHECK_THROWS_WITH_AS(read_checkpoint("/nonexistent.pth"), doctest::Contains("No such file"), Error);
}

TEST_CASE("checkpoint: a file of any container cut at any byte is refused") {
  const TemporaryDirectory directory;
  for (const char* file :
       {"types.pth", "types_protocol4.pth", "types_legacy.pth", "types.npz", "types_compressed.npz", "script.pt"}) {
    const std::string whole = read_text_file(checkpoint_golden(file), 1 << 20);
    for (std::size_t size = 1; size<whole.size(); size += whole.size()> 4096 ? 3 : 1) {
      plain_file(directory / "x", whole.substr(0, size));
      CAPTURE(file);
      CAPTURE(size);
      CHECK_THROWS_AS(read_checkpoint(directory / "x"), Error);
    }
  }
}

TEST_CASE("checkpoint: one byte changed is refused, or changes nothing but what the checksums do not cover") {
  const TemporaryDirectory directory;
  for (const char* file : {"types.pth", "types_legacy.pth", "types_compressed.npz"}) {
    const std::string whole = read_text_file(checkpoint_golden(file), 1 << 20);
    const Checkpoint expected = read_checkpoint(checkpoint_golden(file));
    for (std::size_t at = 0; at < whole.size(); at += 2) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << (at / 2 % 8)));
      plain_file(directory / "x", changed);
      CAPTURE(file);
      CAPTURE(at);
      try {
        const Checkpoint found = read_checkpoint(directory / "x");
        if (std::string(file) == "types_legacy.pth") continue;  // has no checksums
        for (const auto& [name, tensor] : expected.tensors) {
          REQUIRE(found.tensors.contains(name));
          REQUIRE(described(found.tensors.at(name)) == described(tensor));
        }
      } catch (const Error&) {  // refused: fine
      }
    }
  }
}
