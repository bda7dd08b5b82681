#include "store/model_file.h"

#include <utility>

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "store/hdf5.h"
#include "store/schema.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"

using namespace mt;
using doctest::Contains;

namespace {

Model small_model() {
  Model model;
  model.source = "test";
  model.provenance = {{"family", "test"}, {"assumed", {"eps 1e-05"}}};
  Part& encoder = model.parts["encoder"];
  encoder.config = {{"eps", 1e-5}, {"heads", 2}, {"activation", "gelu"}};
  encoder.tensors["blocks.0.norm1.weight"] = Tensor::of<float>({2}, {1.5F, -0.0F});
  Tensor large(DType::f32, {100, 3});
  for (std::size_t i = 0; i < large.size(); ++i) large.as<float>()[i] = static_cast<float>(i);
  encoder.tensors["norm.weight"] = std::move(large);
  Part& tokenizer = model.parts["tokenizer/image"];
  tokenizer.config = {{"mean", {0.1, 0.2, 0.3}}};
  tokenizer.tensors["cls"] = Tensor::of<float>({1}, {7});
  Part& text = model.parts["text"];
  text.tensors["half"] = Tensor::of<Half>({1, 1}, {to_half(0.1F)});
  text.tensors["bfloat"] = Tensor::of<BFloat16>({3}, {to_bfloat16(1), to_bfloat16(2), to_bfloat16(3)});
  text.tensors["scalar"] = Tensor::of<float>({}, {4.6F});
  text.tensors["empty"] = Tensor(DType::f32, {0, 3});
  return model;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end());
}

}  // namespace

TEST_CASE("model file: what is written is read again, mapped, with equal digests and equal bytes") {
  const test::TemporaryDirectory directory;
  const Model model = small_model();
  write_model_file(directory / "a.h5", model, "test 1", false);
  CHECK(is_model_file(directory / "a.h5"));
  const Model found = read_model_file(directory / "a.h5");
  CHECK(found.provenance == model.provenance);
  REQUIRE(found.parts.size() == model.parts.size());
  for (const auto& [name, part] : model.parts) {
    CAPTURE(name);
    CHECK(found.part(name).config == part.config);
    REQUIRE(found.part(name).tensors.size() == part.tensors.size());
    for (const auto& [tensor_name, tensor] : part.tensors) CHECK(same(found.part(name).at(tensor_name), tensor));
    CHECK(digest_of(found.part(name)) == digest_of(part));
  }
  const Tensor& large = found.part("encoder").at("norm.weight");
  CHECK(large.is_borrowed());
  CHECK(reinterpret_cast<std::uintptr_t>(large.data()) % 64 == 0);
  CHECK(digest_of(found) == digest_of(model));
  verify_model_file(directory / "a.h5");

  write_model_file(directory / "b.h5", found, "test 1", false);
  CHECK(read_file(directory / "a.h5", 1 << 20) == read_file(directory / "b.h5", 1 << 20));
}

TEST_CASE("model: digests tell configurations, names, shapes, types and contents apart") {
  const Model model = small_model();
  const auto changed = [&](auto change) {
    Model other = model;
    change(other.parts["encoder"]);
    return digest_of(other) != digest_of(model);
  };
  CHECK(changed([](Part& part) { part.config["eps"] = 1e-6; }));
  CHECK(changed([](Part& part) { part.tensors["norm.weight"].as<float>()[299] += 1; }));
  CHECK(changed([](Part& part) { part.tensors["norm.weight"] = part.tensors["norm.weight"].reshaped({3, 100}); }));
  CHECK(
      changed([](Part& part) { part.tensors["norm.bias"] = std::move(part.tensors.extract("norm.weight").mapped()); }));
  CHECK(changed([](Part& part) { part.tensors["norm.weight"] = part.tensors["norm.weight"].to(DType::f64); }));
  CHECK_FALSE(changed([](Part&) {}));
  Model complete = model;
  complete_digests(complete);
  CHECK(complete.part("text").digests.size() == model.part("text").tensors.size());
  CHECK(complete.part("encoder").digests.at("norm.weight") == sha256(model.part("encoder").at("norm.weight").bytes()));
  CHECK(digest_of(complete) == digest_of(model));
  CHECK_THROWS_WITH_AS(model.part("head"), Contains("has no part \"head\", only encoder, text, tokenizer/image"),
                       Error);
  CHECK_THROWS_WITH_AS(model.part("encoder").at("x"), Contains("tensor x is missing"), Error);
}

TEST_CASE("model file: an existing file is replaced by force only, and stays whole when writing fails") {
  const test::TemporaryDirectory directory;
  const Model model = small_model();
  test::plain_file(directory / "a.h5", "mine");
  CHECK_THROWS_WITH_AS(write_model_file(directory / "a.h5", model, "test", false), Contains("exists already"), Error);
  Model bad = model;
  bad.parts["encoder"].tensors["a/b"] = Tensor::of<float>({1}, {1});
  CHECK_THROWS_WITH_AS(write_model_file(directory / "a.h5", bad, "test", true), Contains("a/b"), Error);
  bad = model;
  bad.parts["../x"] = {};
  CHECK_THROWS_WITH_AS(write_model_file(directory / "a.h5", bad, "test", true), Contains("../x"), Error);
  CHECK(read_text_file(directory / "a.h5", 100) == "mine");
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
  write_model_file(directory / "a.h5", model, "test", true);
  CHECK(is_model_file(directory / "a.h5"));
}

TEST_CASE("model file: other HDF5 files, other kinds and newer formats are refused by name") {
  const test::TemporaryDirectory directory;
  const auto with = [&](const char* kind, std::int64_t format) {
    h5::File file = h5::create_file(directory / "x.h5");
    if (kind != nullptr) h5::write_attribute(file.get(), "mt_kind", kind, "x");
    h5::write_attribute(file.get(), "mt_format", format, "x");
    h5::close_file(file, "x");
    return directory / "x.h5";
  };
  CHECK_FALSE(is_model_file(with(nullptr, 1)));
  CHECK_THROWS_WITH_AS(read_model_file(with(nullptr, 1)), Contains("not one of ours"), Error);
  CHECK_THROWS_WITH_AS(read_model_file(with("features", 1)), Contains("holds features, not a model"), Error);
  CHECK_THROWS_WITH_AS(read_model_file(with("model", kFormat + 1)), Contains("newer release"), Error);
  CHECK(read_model_file(with("model", 1)).parts.empty());
  CHECK_FALSE(is_model_file(directory / "nothing"));
  test::plain_file(directory / "text", "hello");
  CHECK_FALSE(is_model_file(directory / "text"));
}

TEST_CASE("model file: tensors that another program stored in chunks are read too") {
  const test::TemporaryDirectory directory;
  {
    h5::File file = h5::create_file(directory / "x.h5");
    h5::write_attribute(file.get(), "mt_kind", "model", "x");
    h5::write_attribute(file.get(), "mt_format", std::int64_t{1}, "x");
    h5::Group group = h5::create_group(file.get(), "encoder", "x");
    h5::write_attribute(group.get(), "config", "{\"heads\": 1}", "x");
    h5::Dataset dataset = h5::create_dataset(group.get(), "w", h5::type_of(DType::f32), {4, 2}, 2, 6, "x");
    const float values[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    h5::write_rows(dataset, h5::type_of(DType::f32), 0, 4, values, "x");
    dataset.close("x");
    group.close("x");
    h5::close_file(file, "x");
  }
  const Model model = read_model_file(directory / "x.h5");
  CHECK(model.part("encoder").config["heads"] == 1);
  CHECK(model.part("encoder").at("w").as<float>()[7] == 7);
  CHECK_THROWS_WITH_AS(verify_model_file(directory / "x.h5"), Contains("encoder/w: has no digest"), Error);
}

TEST_CASE("model file: cut at any of 200 points it is refused; a changed bit is noticed or changes nothing") {
  const test::TemporaryDirectory directory;
  const Model model = small_model();
  write_model_file(directory / "a.h5", model, "test", false);
  const std::string whole = read_text_file(directory / "a.h5", 1 << 20);
  for (std::size_t i = 1; i < 200; ++i) {
    test::plain_file(directory / "x.h5", whole.substr(0, whole.size() * i / 200));
    CHECK_THROWS_AS(read_model_file(directory / "x.h5"), Error);
  }
  for (std::size_t i = 0; i < 400; ++i) {
    std::string changed = whole;
    const std::size_t at = (i * 7919) % whole.size();
    changed[at] = static_cast<char>(changed[at] ^ (1 << (i % 8)));
    test::plain_file(directory / "x.h5", changed);
    CAPTURE(at);
    try {
      verify_model_file(directory / "x.h5");
      CHECK(digest_of(read_model_file(directory / "x.h5")) == digest_of(model));
    } catch (const Error&) {  // noticed: fine
    }
  }
}
