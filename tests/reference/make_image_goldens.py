#!/usr/bin/env python3
"""Makes tests/golden/image_*.json: what Pillow, open_clip, timm and Hugging Face do to pictures and position grids.

Pictures and weights are not stored: both sides compute them from integers, see tests/tokenize/synthetic.h. Bytes are
stored as their CRC-32, because they are to be equal.

usage: make_image_goldens.py      (needs Pillow 13, torch, torchvision, open_clip, timm, transformers)
"""
import json
import pathlib
import zlib

import numpy as np
import torch
from PIL import Image

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


def synthetic(kind, height, width, channels):
    y, x, c = np.meshgrid(*(np.arange(n, dtype=np.uint32) for n in (height, width, channels)), indexing="ij")
    h = (y * np.uint32(65537) + x * np.uint32(257) + c) * np.uint32(0x9E3779B1)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    if kind == "noise":
        return (h >> np.uint32(24)).astype(np.uint8)
    if kind == "extremes":
        return np.where((h >> np.uint32(24)) % 2 == 0, 0, 255).astype(np.uint8)
    if kind == "waves":
        return ((y * 3 + x * 5 + c * 40 + ((x * y) >> 4)) & 255).astype(np.uint8)
    assert kind == "white"
    return np.full((height, width, channels), 255, np.uint8)


def crc(array):
    return zlib.crc32(np.ascontiguousarray(array).tobytes())


def sampled(array, count=12):
    flat = np.ascontiguousarray(array).reshape(-1)
    positions = [(k * 2654435761 + 7) % flat.size for k in range(count)]
    return [[p, round(float(flat[p]), 7)] for p in positions]


def resize_cases():
    shapes = [  # height, width, channels, to height, to width
        (375, 500, 3, 224, 298), (500, 375, 3, 298, 224), (28, 28, 1, 224, 224), (32, 32, 3, 224, 224), (1, 1, 3, 7, 9),
        (1500, 1000, 3, 5, 4), (17, 2001, 3, 16, 16), (500, 400, 3, 500, 399), (400, 500, 3, 399, 500),
        (5, 7, 1, 3, 90), (2, 9000, 1, 2, 3), (61, 67, 1, 13, 200), (900, 40, 3, 31, 37), (333, 500, 3, 224, 224)]
    cases = []
    for height, width, channels, to_height, to_width in shapes:
        for filter_name, resample in (("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)):
            for kind in ("noise", "extremes", "white"):
                pixels = synthetic(kind, height, width, channels)
                picture = Image.fromarray(pixels if channels > 1 else pixels[:, :, 0])
                result = np.asarray(picture.resize((to_width, to_height), resample))
                cases.append(dict(kind=kind, filter=filter_name, source=[height, width, channels],
                                  size=[to_height, to_width], crc32=crc(result)))
    return cases


def float_resize_cases():
    cases = []
    for height, width, to_height, to_width in ((375, 500, 224, 298), (28, 28, 224, 224), (1500, 100, 31, 37)):
        for filter_name, resample in (("bicubic", Image.BICUBIC), ("bilinear", Image.BILINEAR)):
            pixels = synthetic("noise", height, width, 1)[:, :, 0].astype(np.float32) / np.float32(3)
            result = np.asarray(Image.fromarray(pixels).resize((to_width, to_height), resample))
            cases.append(dict(filter=filter_name, source=[height, width], size=[to_height, to_width],
                              crc32=crc(result), samples=sampled(result)))
    return cases


def preparation_cases():
    """open_clip's own transforms, up to bytes and up to normalised values."""
    from open_clip.transform import image_transform
    modes = {"shortest": "shortest", "stretch": "squash", "pad": "longest"}
    cases = []
    for source in ((375, 500, 3), (500, 375, 3), (224, 224, 3), (301, 300, 3), (40, 24, 1), (20, 333, 3), (100, 90, 4),
                   (90, 100, 2), (224, 300, 4)):
        for size in ((224, 224), (288, 144), (32, 32)):
            for ours, theirs in modes.items():
                transform = image_transform(size, is_train=False, resize_mode=theirs)
                pixels = synthetic("waves", *source)
                mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[source[2]]
                picture = Image.fromarray(pixels if source[2] > 1 else pixels[:, :, 0], mode)
                prepared = picture
                for step in transform.transforms[:-2]:
                    prepared = step(prepared)
                normalised = transform(picture).numpy()
                cases.append(dict(source=list(source), size=list(size), mode=ours, crc32=crc(np.asarray(prepared)),
                                  samples=sampled(normalised)))
    return cases


def position_cases():
    from timm.layers import resample_abs_pos_embed
    from transformers import ViTConfig, ViTModel
    cases = []
    dim = 2
    for old in ((4, 4), (7, 7)):
        values = synthetic("noise", 1, old[0] * old[1] + 1, dim)[0].astype(np.float32) / np.float32(128) - np.float32(1)
        grid = torch.from_numpy(values)[None]
        for new in ((6, 6), (3, 5), (9, 2), (1, 1)):
            resized = resample_abs_pos_embed(grid, list(new), list(old), num_prefix_tokens=1)[0]
            cases.append(dict(kind="antialias", old=list(old), new=list(new),
                              values=[round(float(v), 6) for v in resized.reshape(-1)]))
            config = ViTConfig(hidden_size=dim, num_hidden_layers=1, num_attention_heads=1, intermediate_size=2,
                               image_size=old[0] * 2, patch_size=2)
            model = ViTModel(config, add_pooling_layer=False)
            model.embeddings.position_embeddings.data = grid.clone()
            tokens = torch.zeros(1, new[0] * new[1] + 1, dim)
            resized = model.embeddings.interpolate_pos_encoding(tokens, new[0] * 2, new[1] * 2)[0]
            cases.append(dict(kind="plain", old=list(old), new=list(new),
                              values=[round(float(v), 6) for v in resized.detach().reshape(-1)]))
    return cases


def noise(row, rows, columns):
    """Rows [row, row + rows) of an endless matrix of values in [-1, 1)."""
    return synthetic("noise", row + rows, columns, 1)[row:, :, 0].astype(np.float32) / np.float32(128) - np.float32(1)


def token_cases():
    """A picture all the way to tokens: open_clip's image tower up to its blocks, and Hugging Face's ViT embeddings."""
    from open_clip.transform import image_transform
    from open_clip.transformer import VisionTransformer
    from transformers import ViTConfig, ViTModel
    width, patch, trained = 32, 8, 32
    kernel = torch.from_numpy(noise(0, width, 3 * patch * patch) * np.float32(0.1)).reshape(width, 3, patch, patch)
    cls = torch.from_numpy(noise(100, 1, width)[0])
    positions = torch.from_numpy(noise(200, (trained // patch) ** 2 + 1, width))
    gain = torch.from_numpy(noise(300, 1, width)[0] + np.float32(1.5))
    shift = torch.from_numpy(noise(301, 1, width)[0])
    picture = Image.fromarray(synthetic("waves", 50, 41, 3))
    cases = []
    for size in (32, 48):
        pixels = image_transform((size, size), is_train=False)(picture)[None]
        tower = VisionTransformer(image_size=size, patch_size=patch, width=width, layers=1, heads=2, mlp_ratio=4.0,
                                  output_dim=16)
        state = {"visual.positional_embedding": positions.clone()}
        from open_clip.model import resize_pos_embed
        resize_pos_embed(state, type("Model", (), {"visual": tower})())
        tower.conv1.weight.data, tower.class_embedding.data = kernel, cls
        tower.positional_embedding.data = state["visual.positional_embedding"]
        tower.ln_pre.weight.data, tower.ln_pre.bias.data = gain, shift
        taken = []
        tower.transformer.register_forward_pre_hook(lambda module, args: taken.append(args[0].detach()))
        tower.eval()(pixels)
        tokens = taken[0][0]
        assert tokens.shape == ((size // patch) ** 2 + 1, width), tokens.shape
        cases.append(dict(family="open_clip", size=size, samples=sampled(tokens.numpy(), 200)))

        config = ViTConfig(hidden_size=width, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                           image_size=trained, patch_size=patch)
        embeddings = ViTModel(config, add_pooling_layer=False).embeddings.eval()
        embeddings.patch_embeddings.projection.weight.data = kernel
        embeddings.patch_embeddings.projection.bias.data = shift
        embeddings.cls_token.data, embeddings.position_embeddings.data = cls[None, None], positions[None]
        tokens = embeddings(pixels, interpolate_pos_encoding=True)[0].detach()
        cases.append(dict(family="hugging_face", size=size, samples=sampled(tokens.numpy(), 200)))
    return cases


def write(name, cases):
    path = GOLDEN / f"image_{name}.json"
    path.write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    torch.manual_seed(0)
    write("resize", resize_cases())
    write("resize_float", float_resize_cases())
    write("preparation", preparation_cases())
    write("positions", position_cases())
    write("tokens", token_cases())
