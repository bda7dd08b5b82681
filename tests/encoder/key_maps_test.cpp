#include "encoder/key_maps.h"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "base/error.h"
#include "encoder/model_source.h"
#include "support/checkpoint_goldens.h"
#include "support/plain_file.h"
#include "support/plain_tower.h"
#include "support/temporary_directory.h"

using namespace mt;
using namespace mt::test;
using doctest::Contains;
using nlohmann::json;

namespace {

struct Listener : Progress {
  std::vector<std::string> notes, warnings;
  void note(std::string_view message) override { notes.emplace_back(message); }
  void warn(std::string_view message) override { warnings.emplace_back(message); }
  std::string all() const {
    std::string text;
    for (const std::string& note : notes) text += note + "\n";
    return text;
  }
};

ModelOverrides two_heads() {
  ModelOverrides overrides;
  overrides.heads = 2;
  return overrides;
}

json described(const Part& part) {
  json all = json::object();
  for (const auto& [name, tensor] : part.tensors) all[name] = test::described(tensor);
  return all;
}

// The tensors of a golden, to be changed and imported.
Checkpoint golden(const std::string& file) { return read_checkpoint(checkpoint_golden(file)); }

Model import_changed(Checkpoint checkpoint, Progress& progress, ModelOverrides overrides = two_heads()) {
  const Recognised recognised = recognise(checkpoint.tensors, "x.pth");
  return import_checkpoint(std::move(checkpoint), recognised, {}, overrides, "x.pth", progress);
}
Model import_changed(Checkpoint checkpoint) {
  Progress progress;
  return import_changed(std::move(checkpoint), progress);
}

void rename_all(Checkpoint& checkpoint, const std::string& prefix) {
  std::map<std::string, Tensor> renamed;
  for (auto& [name, tensor] : checkpoint.tensors) renamed.emplace(prefix + name, std::move(tensor));
  checkpoint.tensors = std::move(renamed);
}

}  // namespace

TEST_CASE("key maps: every family's file gives the tensors, settings and features that its library has") {
  const json expectations = checkpoint_expectations();
  const Row image = expectations["image"].get<Row>();
  REQUIRE(expectations["models"].size() >= 10);
  for (const auto& [file, expected] : expectations["models"].items()) {
    CAPTURE(file);
    ModelOverrides overrides;
    if (expected["overrides"].contains("heads")) overrides.heads = expected["overrides"]["heads"].get<std::size_t>();
    Listener listener;
    const Model model = load_model(checkpoint_golden(file).string(), overrides, listener);
    CHECK(listener.warnings.empty());
    CHECK(described(model.part("encoder")) == expected["encoder"]);
    for (const auto& [key, value] : expected["encoder_config"].items()) {
      CAPTURE(key);
      CHECK(model.part("encoder").config[key] == value);
    }
    CHECK(model.has("tokenizer/image") == !expected["tokenizer"].empty());
    if (model.has("tokenizer/image")) {
      CHECK(described(model.part("tokenizer/image")) == expected["tokenizer"]);
      for (const auto& [key, value] : expected["tokenizer_config"].items()) {
        CAPTURE(key);
        CHECK(model.part("tokenizer/image").config[key] == value);
      }
    }
    CHECK(model.has("text") == expected.contains("text"));
    if (model.has("text")) CHECK(described(model.part("text")) == expected["text"]);
    if (!expected.contains("output")) continue;
    const Row output = tower_output(model, image), wanted = expected["output"].get<Row>();
    REQUIRE(output.size() == wanted.size());
    for (std::size_t i = 0; i < output.size(); ++i) {
      CHECK(output[i] == doctest::Approx(wanted[i]).epsilon(1e-4));  // float32 in the library, double here
    }
  }
}

TEST_CASE("key maps: what was assumed, read and left out is told") {
  Listener timm, open_clip;
  load_model(checkpoint_golden("timm_vit.pth").string(), two_heads(), timm);
  CHECK(timm.all().find("timm (pytorch), 2 blocks, 8 wide, 2 heads, gelu, eps 1e-06, norm before_pooling") !=
        std::string::npos);
  CHECK(timm.all().find("assumed, since nothing says so: eps 1e-06 (timm), activation gelu (timm), mean 0.5 0.5 0.5") !=
        std::string::npos);
  CHECK(timm.all().find("left out: model.head.bias, model.head.weight") != std::string::npos);
  const Model model = load_model(checkpoint_golden("open_clip/open_clip_pytorch_model.bin").string(), {}, open_clip);
  CHECK(open_clip.all().find("assumed") != std::string::npos);  // eps alone
  CHECK(open_clip.all().find("heads (") == std::string::npos);
  CHECK(model.provenance["read"] == json({"open_clip_config.json"}));
  CHECK(model.part("text").config["heads"] == 2);
}

TEST_CASE("key maps: prefixes of wrappers are found, whatever they are") {
  const json expected = described(import_changed(golden("meta_transformer.pth")).part("encoder"));
  for (const std::string prefix : {"module.", "state_dict.", "model.encoder.", "state_dict.module.blocks."}) {
    CAPTURE(prefix);
    Checkpoint checkpoint = golden("meta_transformer.pth");
    rename_all(checkpoint, prefix);
    CHECK(described(import_changed(std::move(checkpoint)).part("encoder")) == expected);
  }
}

TEST_CASE("key maps: averaged weights yield to the others, and two towers are refused by name") {
  Checkpoint checkpoint = golden("timm_vit.pth");
  const Checkpoint copy = checkpoint;
  for (const auto& [name, tensor] : copy.tensors) checkpoint.tensors.emplace("model_ema." + name.substr(6), tensor);
  Listener listener;
  import_changed(checkpoint, listener);
  CHECK(listener.all().find("left out: model.head") != std::string::npos);
  for (const auto& [name, tensor] : copy.tensors) checkpoint.tensors.emplace("teacher." + name.substr(6), tensor);
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("several encoders: model., teacher."), Error);
}

TEST_CASE("key maps: missing and misshapen tensors are named, all of them") {
  Checkpoint checkpoint = golden("meta_transformer.pth");
  checkpoint.tensors.erase("1.norm2.bias");
  checkpoint.tensors.erase("0.mlp.fc2.weight");
  checkpoint.tensors["1.attn.proj.bias"] = Tensor(DType::f32, {7});
  checkpoint.tensors["0.norm1.weight"] = Tensor(DType::i64, {8});
  CHECK_THROWS_WITH_AS(import_changed(checkpoint),
                       Contains("lacks 0.mlp.fc2.weight, 1.norm2.bias; 0.norm1.weight is int64 [8], expected [8], "
                                "1.attn.proj.bias is float32 [7], expected [8]"),
                       Error);
  checkpoint = golden("timm_vit.pth");
  checkpoint.tensors.erase("model.norm.weight");
  checkpoint.tensors.erase("model.pos_embed");
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("lacks model.norm.weight, model.pos_embed"), Error);
  checkpoint = golden("meta_transformer.pth");  // a whole block in the middle
  std::erase_if(checkpoint.tensors,
                [](const auto& item) { return item.first.starts_with("0.") && !item.first.ends_with("qkv.weight"); });
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("and 4 more"), Error);
}

TEST_CASE("key maps: tensors of another architecture are refused, unknown ones are warned of") {
  Checkpoint checkpoint = golden("timm_vit.pth");
  const Tensor gamma(DType::f32, {8});
  checkpoint.tensors["model.blocks.0.ls1.gamma"] = gamma;
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("holds model.blocks.0.ls1.gamma: an architecture"), Error);
  checkpoint = golden("timm_vit.pth");
  checkpoint.tensors["model.dist_token"] = Tensor(DType::f32, {1, 1, 8});
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("model.dist_token"), Error);
  checkpoint = golden("timm_vit.pth");
  checkpoint.tensors["model.something"] = gamma;
  checkpoint.tensors["optimizer.state.0"] = gamma;
  Listener listener;
  import_changed(checkpoint, listener);
  REQUIRE(listener.warnings.size() == 1);
  CHECK(listener.warnings[0] == "x.pth: not known and left out: model.something");
}

TEST_CASE("key maps: no family, a text tower alone and a width without known heads are refused with what to do") {
  Checkpoint checkpoint;
  checkpoint.tensors["layer1.conv.weight"] = Tensor(DType::f32, {1});
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("1 tensors of no known family (layer1.conv.weight)"),
                       Error);
  checkpoint = golden("open_clip/open_clip_pytorch_model.bin");
  std::erase_if(checkpoint.tensors, [](const auto& item) { return item.first.find("visual.") != std::string::npos; });
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("no vision transformer"), Error);
  Progress progress;
  CHECK_THROWS_WITH_AS(import_changed(golden("meta_transformer.pth"), progress, {}), Contains("give --heads"), Error);
  ModelOverrides three = two_heads();
  three.heads = 3;
  CHECK_THROWS_WITH_AS(import_changed(golden("meta_transformer.pth"), progress, three),
                       Contains("3 heads do not divide"), Error);
}

TEST_CASE("key maps: the usual widths have the usual heads") {
  for (const auto& [width, heads] :
       std::vector<std::pair<std::size_t, std::size_t>>{{192, 3}, {768, 12}, {1024, 16}, {1280, 16}}) {
    Checkpoint checkpoint;
    const auto put = [&](const std::string& name, Shape shape) {
      checkpoint.tensors["0." + name] = Tensor(DType::f32, std::move(shape));
    };
    for (const char* name :
         {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.proj.bias", "mlp.fc2.bias"})
      put(name, {width});
    put("attn.qkv.weight", {3 * width, width});
    put("attn.qkv.bias", {3 * width});
    put("attn.proj.weight", {width, width});
    put("mlp.fc1.weight", {8, width});
    put("mlp.fc1.bias", {8});
    put("mlp.fc2.weight", {width, 8});
    Progress progress;
    const Part encoder = import_changed(std::move(checkpoint), progress, {}).part("encoder");
    CHECK(encoder.config["heads"] == heads);
    CHECK(encoder.config["mlp"] == 8);
    CHECK(encoder.config["scale"].get<double>() == doctest::Approx(1 / std::sqrt(static_cast<double>(width / heads))));
  }
}

TEST_CASE("key maps: VideoMAE's two biases become three, and its tokenizer of video is left out") {
  Checkpoint checkpoint = golden("timm_vit.pth");
  for (const std::string block : {"model.blocks.0.", "model.blocks.1."}) {
    checkpoint.tensors.erase(block + "attn.qkv.bias");
    checkpoint.tensors[block + "attn.q_bias"] = Tensor::of<float>({8}, {1, 1, 1, 1, 1, 1, 1, 1});
    checkpoint.tensors[block + "attn.v_bias"] = Tensor::of<float>({8}, {2, 2, 2, 2, 2, 2, 2, 2});
  }
  checkpoint.tensors["model.patch_embed.proj.weight"] = Tensor(DType::f32, {8, 3, 2, 4, 4});
  for (const char* name : {"patch_embed.proj.bias", "cls_token", "pos_embed"})
    checkpoint.tensors.erase(std::string("model.") + name);
  const Model model = import_changed(std::move(checkpoint));
  CHECK_FALSE(model.has("tokenizer/image"));
  const auto bias = model.part("encoder").at("blocks.1.attn.qkv.bias").as<float>();
  CHECK(bias[0] == 1);
  CHECK(bias[8] == 0);
  CHECK(bias[16] == 2);
}

TEST_CASE("key maps: positions without one for the class token get zeros, other grids need to be told") {
  Checkpoint checkpoint = golden("timm_vit.pth");
  const Tensor all = checkpoint.tensors.at("model.pos_embed");
  checkpoint.tensors["model.pos_embed"] = all.reshaped({5, 8}).rows_copy(1, 5).reshaped({1, 4, 8});
  const Model model = import_changed(checkpoint);
  const Tensor& positions = model.part("tokenizer/image").at("positions");
  const Tensor rows = all.reshaped({5, 8});
  CHECK(positions.shape() == Shape{5, 8});
  CHECK(positions.row<float>(0)[3] == 0);
  CHECK(positions.row<float>(1)[3] == rows.row<float>(1)[3]);
  checkpoint.tensors["model.pos_embed"] = Tensor(DType::f32, {1, 7, 8});
  CHECK_THROWS_WITH_AS(import_changed(checkpoint), Contains("7 positions"), Error);
  CheckpointConfig config;
  config.image_size = {{8, 12}};
  Progress progress;
  const Recognised recognised = recognise(checkpoint.tensors, "x");
  const Model wide = import_checkpoint(checkpoint, recognised, config, two_heads(), "x", progress);
  CHECK(wide.part("tokenizer/image").config["image_size"] == json({8, 12}));
}

TEST_CASE("model source: overrides reach foreign checkpoints and our own files alike") {
  ModelOverrides overrides = two_heads();
  overrides.eps = 1e-3;
  overrides.activation = "quick_gelu";
  overrides.scale = 0.25;
  overrides.no_norm = true;
  Progress progress;
  for (const std::string& name : {checkpoint_golden("timm_clip.safetensors").string(), std::string("random:tiny")}) {
    const Model model = load_model(name, overrides, progress);
    const Part& encoder = model.part("encoder");
    CHECK(encoder.config["heads"] == 2);
    CHECK(encoder.config["eps"] == 1e-3);
    CHECK(encoder.config["activation"] == "quick_gelu");
    CHECK(encoder.config["scale"] == 0.25);
    CHECK(encoder.config["norm"] == "none");
    CHECK_FALSE(encoder.has("norm.weight"));
    CHECK_FALSE(encoder.has("projection"));
    CHECK(model.part("tokenizer/image").config["eps"] == 1e-3);
  }
}

TEST_CASE("model source: two files with the same part are refused by both names") {
  Progress progress;
  const std::string clip = checkpoint_golden("timm_clip.safetensors").string(),
                    blocks = checkpoint_golden("meta_transformer.pth").string();
  CHECK_THROWS_WITH_AS(load_models({clip, blocks}, two_heads(), progress),
                       Contains("holds the part \"encoder\", which"), Error);
}

TEST_CASE("checkpoint configuration: what is broken or belongs to another model is left out") {
  const TemporaryDirectory directory;
  const std::string file = (directory / "m.pth").string();
  std::filesystem::copy(checkpoint_golden("hf_vit5.pth"), file);
  plain_file(directory / "config.json", "{\"hidden_size\": 8, ");
  Listener broken;
  CHECK(load_model(file, two_heads(), broken).part("encoder").config["eps"] == 1e-12);
  CHECK(broken.warnings.size() == 1);
  plain_file(directory / "config.json", R"({"hidden_size": 768, "layer_norm_eps": 0.5, "num_attention_heads": 12})");
  Listener other;
  CHECK(load_model(file, two_heads(), other).part("encoder").config["eps"] == 1e-12);
  CHECK(other.all().find("768 wide, this one is 8: not used") != std::string::npos);
  plain_file(directory / "config.json",
             R"({"hidden_size": 8, "layer_norm_eps": -1, "num_attention_heads": "four", "hidden_act": "gelu_new"})");
  CHECK_THROWS_WITH_AS(load_model(file, two_heads(), other), Contains("gelu_new"), Error);
}
