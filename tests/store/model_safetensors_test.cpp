#include "store/model_safetensors.h"

#include <doctest/doctest.h>

#include "base/error.h"
#include "base/files.h"
#include "support/plain_file.h"
#include "support/temporary_directory.h"

using namespace mt;

namespace {

Model small_model() {
  Model model;
  model.provenance = {{"family", "test"}};
  model.parts["encoder"].config = {{"eps", 1e-5}};
  model.parts["encoder"].tensors["norm.weight"] = Tensor::of<float>({2}, {1.5F, -0.0F});
  model.parts["tokenizer/image"].tensors["cls"] = Tensor::of<Half>({1}, {to_half(7)});
  model.parts["text"] = {};
  return model;
}

}  // namespace

TEST_CASE("model as safetensors: forth and back changes nothing, not even an empty part") {
  const test::TemporaryDirectory directory;
  const Model model = small_model();
  write_model_safetensors(directory / "a", model, "test", false);
  const auto found = model_in(read_checkpoint(directory / "a"), "a");
  REQUIRE(found.has_value());
  CHECK(digest_of(*found) == digest_of(model));
  CHECK(found->provenance == model.provenance);
  CHECK(found->parts.size() == 3);
  write_model_safetensors(directory / "b", *found, "test", false);
  CHECK(read_file(directory / "a", 1 << 20) == read_file(directory / "b", 1 << 20));
}

TEST_CASE("model as safetensors: a changed bit, a stray tensor and a newer format are refused") {
  const test::TemporaryDirectory directory;
  write_model_safetensors(directory / "a", small_model(), "test", false);
  std::string content = read_text_file(directory / "a", 1 << 20);
  content.back() = static_cast<char>(content.back() ^ 1);
  test::plain_file(directory / "b", content);
  CHECK_THROWS_WITH_AS(model_in(read_checkpoint(directory / "b"), "b"), doctest::Contains("digest"), Error);

  Checkpoint checkpoint = read_checkpoint(directory / "a");
  checkpoint.tensors["head/x"] = Tensor::of<float>({1}, {1});
  CHECK_THROWS_WITH_AS(model_in(checkpoint, "a"), doctest::Contains("head/x, which belongs to no part"), Error);
  checkpoint.metadata["mt_format"] = "99";
  CHECK_THROWS_WITH_AS(model_in(checkpoint, "a"), doctest::Contains("newer release"), Error);
  checkpoint.metadata.erase("mt_format");
  CHECK_FALSE(model_in(checkpoint, "a").has_value());
}
