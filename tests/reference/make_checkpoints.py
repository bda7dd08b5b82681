#!/usr/bin/env python3
"""Writes tests/golden/checkpoints: small files exactly as torch, safetensors, NumPy, timm, open_clip, transformers and
torchvision save them, and what each holds, told by the libraries' own objects (never by key names).

    python tests/reference/make_checkpoints.py

Needs torch, torchvision, timm, open_clip_torch, transformers, safetensors. Weights are random, with a fixed seed.
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import warnings

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")
import numpy
import open_clip
import safetensors.torch
import timm
import torch
import torchvision
import transformers
from open_clip.push_to_hf_hub import save_config_for_hf
from transformers import (CLIPConfig, CLIPModel, CLIPVisionConfig, CLIPVisionModelWithProjection, ViTConfig,
                          ViTForImageClassification)

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "checkpoints"
WIDTH, HEADS, DEPTH, MLP, PATCH, IMAGE, EMBED = 8, 2, 2, 32, 4, 8, 4


def digest(tensor):
    data = tensor.detach().contiguous()
    raw = data.flatten().view(torch.uint8).numpy().tobytes() if data.numel() else b""
    return [str(tensor.dtype).removeprefix("torch."), list(tensor.shape), hashlib.sha256(raw).hexdigest()[:16]]


# ---------------------------------------------------------------------------------------------------- containers

def container_contents():
    torch.manual_seed(1)
    base = torch.randn(6, 4)
    state = collections.OrderedDict()
    state["float32"] = torch.randn(2, 3)
    state["float64"] = torch.randn(3, dtype=torch.float64)
    state["float16"] = torch.randn(5).half()
    state["bfloat16"] = torch.randn(5).bfloat16()
    for name in ["int64", "int32", "int16", "int8", "uint8"]:
        state[name] = torch.arange(3).to(getattr(torch, name))
    state["bool"] = torch.tensor([True, False, True])
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 4)
    state["parameter"] = torch.nn.Parameter(torch.randn(2))
    return state, base


def make_containers():
    state, base = container_contents()
    views = {"whole": base, "rows": base[2:4], "transposed": base.t(), "every_second": base[:, ::2],
             "cube": torch.arange(24).reshape(2, 3, 4).permute(2, 0, 1)}
    nested = {"state_dict": state, "views": views, "epoch": 3, "name": "tiny", "rate": 0.5, "done": True, "nothing": None,
              "args": argparse.Namespace(model="vit"), "accuracy": numpy.float64(0.5),
              "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]}}
    nested["state_dict"]["uint16"] = torch.tensor([1, 65535], dtype=torch.uint16)
    flat = {f"state_dict.{k}": v for k, v in state.items()} | {f"views.{k}": v for k, v in views.items()}
    flat["optimizer.state.0.exp_avg"] = torch.ones(2)
    expected = {}
    for name, options in [("types.pth", {}), ("types_protocol4.pth", {"pickle_protocol": 4}),
                          ("types_legacy.pth", {"_use_new_zipfile_serialization": False})]:
        content = dict(nested)
        if name == "types_legacy.pth":  # the old format knows neither unsigned 16-bit nor NumPy's scalars without help
            content["state_dict"] = collections.OrderedDict((k, v) for k, v in state.items() if k != "uint16")
        torch.save(content, OUT / name, **options)
        tensors = {k: digest(v) for k, v in flat.items() if name != "types_legacy.pth" or k != "state_dict.uint16"}
        expected[name] = {"container": "pytorch", "tensors": tensors,
                          "metadata": {"epoch": 3, "name": "tiny", "rate": 0.5, "done": True,
                                       "optimizer.param_groups.0.lr": 0.1}}

    plain = {k: v.detach() for k, v in state.items()}
    safetensors.torch.save_file(plain, OUT / "types.safetensors", metadata={"format": "pt", "note": "naïve"})
    expected["types.safetensors"] = {"container": "safetensors", "tensors": {k: digest(v) for k, v in plain.items()},
                                     "metadata": {"format": "pt", "note": "naïve"}}

    arrays = {k: v.numpy() for k, v in plain.items() if k != "bfloat16"}
    numpy.savez(OUT / "types.npz", **arrays, fortran=numpy.asfortranarray(base.numpy()), big=base.numpy().astype(">f4"))
    numpy.savez_compressed(OUT / "types_compressed.npz", **arrays)
    tensors = {k: digest(torch.from_numpy(v)) for k, v in arrays.items()}
    expected["types_compressed.npz"] = {"container": "npz", "tensors": tensors, "metadata": {}}
    expected["types.npz"] = {"container": "npz", "metadata": {},
                             "tensors": tensors | {"fortran": digest(base), "big": digest(base)}}

    class Inner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.randn(2, 3))
            self.sizes = [1, 2]

        def forward(self, x):
            return x @ self.weight.t()

    class Outer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Inner()
            self.chain = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
            self.register_buffer("input_resolution", torch.tensor(224))
            self.context_length = 77

        def forward(self, x):
            return self.inner(self.chain(x))

    outer = Outer().half()
    torch.jit.script(outer).save(str(OUT / "script.pt"))
    expected["script.pt"] = {"container": "torchscript", "tensors": {k: digest(v) for k, v in outer.state_dict().items()},
                             "metadata": {"context_length": 77}}
    return expected


# ---------------------------------------------------------------------------------------------------- models

def randomise(model, seed):
    """Weights large enough that a wrong activation shows, tokens small enough that a wrong epsilon shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        tokens = any(word in name for word in ["conv1", "patch", "conv_proj", "class", "cls", "pos"])
        norm = parameter.dim() == 1 and name.endswith("weight") and "norm" in name + type(model).__name__ or ".ln_" in name
        with torch.no_grad():
            parameter.copy_(0.004 * values if tokens else 1 + 0.1 * values if norm and name.endswith("weight") else 0.4 * values)
    return model.eval()


def image():
    return torch.round(torch.randn(1, 3, IMAGE, IMAGE, generator=torch.Generator().manual_seed(7)), decimals=2)


def block(i, norm1, qkv_weight, qkv_bias, proj, norm2, fc1, fc2):
    tensors = {f"blocks.{i}.attn.qkv.weight": qkv_weight, f"blocks.{i}.attn.qkv.bias": qkv_bias}
    for name, module in [("norm1", norm1), ("attn.proj", proj), ("norm2", norm2), ("mlp.fc1", fc1), ("mlp.fc2", fc2)]:
        tensors[f"blocks.{i}.{name}.weight"], tensors[f"blocks.{i}.{name}.bias"] = module.weight, module.bias
    return tensors


def both(name, module):
    return {f"{name}.weight": module.weight, f"{name}.bias": module.bias}


def entry(encoder, tokenizer, config, tokenizer_config, output=None, overrides=None, text=None):
    def to_float(tensors):
        return {k: digest(v.float()) for k, v in tensors.items()}
    result = {"overrides": overrides or {}, "encoder": to_float(encoder), "encoder_config": config,
              "tokenizer": to_float(tokenizer), "tokenizer_config": tokenizer_config}
    if text is not None:
        result["text"] = {k: digest(v) for k, v in text.items()}
    if output is not None:
        result["output"] = output.detach().flatten().tolist()
    return result


def make_timm(expected):
    common = dict(img_size=IMAGE, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=3)

    def blocks(model):
        return {k: v for i, b in enumerate(model.blocks) for k, v in block(
            i, b.norm1, b.attn.qkv.weight, b.attn.qkv.bias if b.attn.qkv.bias is not None else torch.zeros(3 * WIDTH),
            b.attn.proj, b.norm2, b.mlp.fc1, b.mlp.fc2).items()}

    def tokens(model):
        result = {"patch.weight": model.patch_embed.proj.weight, "cls": model.cls_token[0, 0], "positions": model.pos_embed[0]}
        if model.patch_embed.proj.bias is not None:
            result["patch.bias"] = model.patch_embed.proj.bias
        return result

    model = randomise(timm.models.vision_transformer.VisionTransformer(**common), 2)
    # The layout of the released Meta-Transformer encoders: an ordered dict of the blocks alone.
    torch.save(model.blocks.state_dict(), OUT / "meta_transformer.pth")
    expected["meta_transformer.pth"] = entry(blocks(model), {}, {
        "family": "meta-transformer", "eps": 1e-5, "activation": "gelu", "norm": "none", "pooling": "cls"}, None,
        overrides={"heads": HEADS})
    torch.save({"model": model.state_dict(), "epoch": 1}, OUT / "timm_vit.pth")
    expected["timm_vit.pth"] = entry(
        blocks(model) | both("norm", model.norm), tokens(model),
        {"family": "timm", "eps": 1e-6, "activation": "gelu", "norm": "before_pooling", "pooling": "cls"},
        {"mean": [0.5] * 3, "std": [0.5] * 3, "position_resize": "antialias", "image_size": [IMAGE, IMAGE]},
        model.forward_head(model.forward_features(image()), pre_logits=True), {"heads": HEADS})

    model = randomise(timm.models.vision_transformer.VisionTransformer(
        **common, pre_norm=True, norm_layer=torch.nn.LayerNorm), 3)
    model.head = torch.nn.Linear(WIDTH, EMBED, bias=False)
    randomise(model, 3)
    safetensors.torch.save_file({k: v.contiguous() for k, v in model.state_dict().items()}, OUT / "timm_clip.safetensors")
    expected["timm_clip.safetensors"] = entry(
        blocks(model) | both("norm", model.norm) | {"projection": model.head.weight.t()},
        tokens(model) | both("pre_norm", model.norm_pre),
        {"family": "timm", "eps": 1e-5, "activation": "gelu", "norm": "before_pooling", "pooling": "cls"},
        {"eps": 1e-5}, model(image()), {"heads": HEADS})

    model = randomise(timm.models.vision_transformer.VisionTransformer(**common, global_pool="avg", qkv_bias=False), 4)
    model.pretrained_cfg = {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "input_size": (3, IMAGE, IMAGE),
                            "architecture": "vit_tiny"}
    timm.models.save_for_hf(model, OUT / "timm_mean", model_config={"num_classes": 3, "global_pool": "avg"},
                            safe_serialization=True)
    expected["timm_mean/model.safetensors"] = entry(
        blocks(model) | both("norm", model.fc_norm), tokens(model),
        {"family": "timm", "eps": 1e-6, "norm": "after_pooling", "pooling": "mean"},
        {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
        model.forward_head(model.forward_features(image()), pre_logits=True), {"heads": HEADS})


def clip_parts(model):
    visual = model.visual
    encoder = {k: v for i, b in enumerate(visual.transformer.resblocks) for k, v in block(
        i, b.ln_1, b.attn.in_proj_weight, b.attn.in_proj_bias, b.attn.out_proj, b.ln_2, b.mlp.c_fc, b.mlp.c_proj).items()}
    encoder |= both("norm", visual.ln_post) | {"projection": visual.proj}
    tokenizer = {"patch.weight": visual.conv1.weight, "cls": visual.class_embedding,
                 "positions": visual.positional_embedding} | both("pre_norm", visual.ln_pre)
    text = {"token_embedding.weight": model.token_embedding.weight, "positional_embedding": model.positional_embedding,
            "ln_final.weight": model.ln_final.weight, "ln_final.bias": model.ln_final.bias,
            "text_projection": model.text_projection, "logit_scale": model.logit_scale}
    text |= {f"transformer.{k}": v for k, v in model.transformer.state_dict().items()}
    return encoder, tokenizer, text


def make_open_clip(expected):
    config = {"embed_dim": EMBED,
              "vision_cfg": {"layers": DEPTH, "width": WIDTH, "head_width": WIDTH // HEADS, "patch_size": PATCH, "image_size": IMAGE},
              "text_cfg": {"context_length": 5, "vocab_size": 16, "width": WIDTH, "heads": HEADS, "layers": 1}}
    model = randomise(open_clip.CLIP(**{k: dict(v) if isinstance(v, dict) else v for k, v in config.items()}), 5)
    folder = OUT / "open_clip"
    folder.mkdir(exist_ok=True)
    torch.save({"epoch": 1, "state_dict": {"module." + k: v for k, v in model.state_dict().items()}},
               folder / "open_clip_pytorch_model.bin")
    model.visual.image_mean, model.visual.image_std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
    save_config_for_hf(model, folder / "open_clip_config.json", config)
    encoder, tokenizer, text = clip_parts(model)
    expected["open_clip/open_clip_pytorch_model.bin"] = entry(
        encoder, tokenizer, {"family": "open_clip", "eps": 1e-5, "activation": "gelu", "norm": "before_pooling", "heads": HEADS},
        {"mean": [0.5] * 3, "std": [0.25] * 3, "position_resize": "antialias"}, model.encode_image(image()), text=text)

    # OpenAI's distribution: a traced archive in half precision, whose three sizes are buffers.
    model = randomise(open_clip.CLIP(**{k: dict(v) if isinstance(v, dict) else v for k, v in config.items()}, quick_gelu=True), 6)
    for name, value in [("input_resolution", IMAGE), ("context_length", 5), ("vocab_size", 16)]:
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(value))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
    output = model.encode_image(image())
    encoder, tokenizer, text = clip_parts(model)
    text = {k: v.detach().half() for k, v in text.items()}
    expected["openai.pt"] = entry(
        encoder, tokenizer, {"family": "openai", "eps": 1e-5, "activation": "quick_gelu"},
        {"mean": [0.48145466, 0.4578275, 0.40821073], "image_size": [IMAGE, IMAGE]}, output, {"heads": HEADS}, text=text)
    traced = torch.jit.trace_module(model, {"encode_image": (image(),)}, check_trace=False)
    for parameter in traced.parameters():
        parameter.data = parameter.data.half()
    traced.save(str(OUT / "openai.pt"))


def make_transformers(expected):
    def vit_blocks(layers):
        return {k: v for i, b in enumerate(layers) for k, v in block(
            i, b.layernorm_before,
            torch.cat([b.attention.q_proj.weight, b.attention.k_proj.weight, b.attention.v_proj.weight]),
            torch.cat([b.attention.q_proj.bias, b.attention.k_proj.bias, b.attention.v_proj.bias]),
            b.attention.o_proj, b.layernorm_after, b.mlp.fc1, b.mlp.fc2).items()}

    sizes = dict(hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=MLP,
                 image_size=IMAGE, patch_size=PATCH)
    classifier = randomise(ViTForImageClassification(ViTConfig(**sizes)), 8)
    model = classifier.vit
    classifier.save_pretrained(OUT / "hf_vit")
    (OUT / "hf_vit" / "preprocessor_config.json").write_text(json.dumps(
        {"image_mean": [0.3, 0.4, 0.5], "image_std": [0.2, 0.2, 0.2], "size": {"height": IMAGE, "width": IMAGE}}))
    parts = (vit_blocks(model.layers) | both("norm", model.layernorm),
             {"patch.weight": model.embeddings.patch_embeddings.projection.weight,
              "patch.bias": model.embeddings.patch_embeddings.projection.bias,
              "cls": model.embeddings.cls_token[0, 0], "positions": model.embeddings.position_embeddings[0]},
             {"family": "hf_vit", "eps": 1e-12, "activation": "gelu", "norm": "before_pooling", "pooling": "cls"})
    output = model(image()).last_hidden_state[:, 0]
    expected["hf_vit/model.safetensors"] = entry(
        *parts, {"mean": [0.3, 0.4, 0.5], "std": [0.2] * 3, "position_resize": "plain"}, output)
    # The names of the modules in memory since transformers 5.
    torch.save(classifier.state_dict(), OUT / "hf_vit5.pth")
    expected["hf_vit5.pth"] = entry(*parts, {"mean": [0.5] * 3, "position_resize": "plain"}, output, {"heads": HEADS})

    def clip_blocks(layers):
        return {k: v for i, b in enumerate(layers) for k, v in block(
            i, b.layer_norm1,
            torch.cat([b.self_attn.q_proj.weight, b.self_attn.k_proj.weight, b.self_attn.v_proj.weight]),
            torch.cat([b.self_attn.q_proj.bias, b.self_attn.k_proj.bias, b.self_attn.v_proj.bias]),
            b.self_attn.out_proj, b.layer_norm2, b.mlp.fc1, b.mlp.fc2).items()}

    def clip_tokens(vision):
        return {"patch.weight": vision.embeddings.patch_embedding.weight, "cls": vision.embeddings.class_embedding,
                "positions": vision.embeddings.position_embedding.weight} | both("pre_norm", vision.pre_layrnorm)

    model = randomise(CLIPModel(CLIPConfig(
        text_config=dict(hidden_size=WIDTH, intermediate_size=MLP, num_hidden_layers=1, num_attention_heads=HEADS,
                         vocab_size=16, max_position_embeddings=5, bos_token_id=0, eos_token_id=1),
        vision_config=sizes | {"hidden_act": "gelu"}, projection_dim=EMBED)), 9)
    model.save_pretrained(OUT / "hf_clip")
    vision = model.vision_model
    expected["hf_clip/model.safetensors"] = entry(
        clip_blocks(vision.encoder.layers) | both("norm", vision.post_layernorm) | {"projection": model.visual_projection.weight.t()},
        clip_tokens(vision), {"family": "hf_clip", "eps": 1e-5, "activation": "gelu", "heads": HEADS},
        {"position_resize": "plain", "mean": [0.48145466, 0.4578275, 0.40821073]},
        model.visual_projection(vision(image()).pooler_output),
        text={k: v for k, v in model.state_dict().items() if k.startswith("text_") or k == "logit_scale"})

    model = randomise(CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes, projection_dim=EMBED)), 10)
    torch.save(model.state_dict(), OUT / "hf_clip_vision.pth")
    vision = model.vision_model
    expected["hf_clip_vision.pth"] = entry(
        clip_blocks(vision.encoder.layers) | both("norm", vision.post_layernorm) | {"projection": model.visual_projection.weight.t()},
        clip_tokens(vision), {"family": "hf_clip", "activation": "quick_gelu"}, {}, model(image()).image_embeds, {"heads": HEADS})


def make_torchvision(expected):
    model = randomise(torchvision.models.VisionTransformer(
        image_size=IMAGE, patch_size=PATCH, num_layers=DEPTH, num_heads=HEADS, hidden_dim=WIDTH, mlp_dim=MLP, num_classes=3), 11)
    torch.save(model.state_dict(), OUT / "torchvision.pth")
    encoder = {k: v for i, b in enumerate(model.encoder.layers) for k, v in block(
        i, b.ln_1, b.self_attention.in_proj_weight, b.self_attention.in_proj_bias, b.self_attention.out_proj, b.ln_2,
        b.mlp[0], b.mlp[3]).items()} | both("norm", model.encoder.ln)
    model.heads = torch.nn.Identity()
    expected["torchvision.pth"] = entry(
        encoder, {"patch.weight": model.conv_proj.weight, "patch.bias": model.conv_proj.bias,
                  "cls": model.class_token[0, 0], "positions": model.encoder.pos_embedding[0]},
        {"family": "torchvision", "eps": 1e-6, "norm": "before_pooling"}, {"mean": [0.485, 0.456, 0.406]},
        model(image()), {"heads": HEADS})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    containers = make_containers()
    models = {}
    make_timm(models)
    make_open_clip(models)
    make_transformers(models)
    make_torchvision(models)
    made_with = {m.__name__: m.__version__ for m in [torch, torchvision, timm, open_clip, transformers, numpy]}
    sections = {"made_by": "tests/reference/make_checkpoints.py", "made_with": made_with, "containers": containers,
                "image": [round(v, 2) for v in image().flatten().tolist()], "models": models}
    lines = [f'"{k}": {json.dumps(v, ensure_ascii=False)}' for k, v in sections.items()]
    (OUT / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
