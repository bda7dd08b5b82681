#!/usr/bin/env python3
"""Makes tests/golden/encoder_*.json: sampled outputs of timm's blocks and of an open_clip image tower.

Weights and inputs are not stored: both sides compute them from an integer hash of (tensor name, position), see
tests/encoder/hashed.h. The reference runs in float64, so that the comparison shows our rounding alone.

usage: make_encoder_goldens.py [b16 l14 clip clip_quick merge]      (needs torch, timm, open_clip)
"""
import functools
import json
import math
import pathlib
import sys

import numpy as np
import torch

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"
LENGTHS = [1, 2, 197, 257, 1212]
SIZES = {"b16": dict(depth=12, width=768, heads=12), "l14": dict(depth=24, width=1024, heads=16)}


def stream_of(name):
    h = 2166136261
    for byte in name.encode():
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return h


def hashed(name, shape, scale, offset=0.0):
    """offset + scale * u, u uniform in [-1, 1), in float32 arithmetic."""
    n = int(np.prod(shape))
    h = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(stream_of(name))
    h ^= h >> np.uint32(16)
    h *= np.uint32(0x7FEB352D)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x846CA68B)
    h ^= h >> np.uint32(16)
    u = (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)
    return torch.from_numpy((np.float32(offset) + np.float32(scale) * u).reshape(shape))


def block_tensor(name, shape):
    """Tensors of blocks and norms under our names; weights near 0.8 / sqrt(inputs), gains near 1."""
    if name.endswith("bias"):
        return hashed(name, shape, 0.05)
    if "norm" in name:
        return hashed(name, shape, 0.2, 1.0)
    return hashed(name, shape, 1.4 / math.sqrt(shape[-1]))


def sampled(outputs):
    """A few tokens and columns of every sample's [T, D]."""
    checks = []
    for sample, x in enumerate(outputs):
        for token in sorted({0, x.shape[0] // 2, x.shape[0] - 1}):
            for k in range(16):
                column = (k * 97 + 13) % x.shape[1]
                checks.append([sample, token, column, round(float(x[token, column]), 7)])
    return checks


def write(name, **content):
    path = GOLDEN / f"encoder_{name}.json"
    checks = content.pop("checks")
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in checks)
    path.write_text(json.dumps(content)[:-1] + ', "checks": [\n' + lines + "\n]}\n")
    print(path, path.stat().st_size, "bytes")


def blocks_golden(size):
    from timm.models.vision_transformer import Block

    s = SIZES[size]
    norm = functools.partial(torch.nn.LayerNorm, eps=1e-5)
    tokens = [hashed(f"tokens.{i}", (1, n, s["width"]), 1.7).double() for i, n in enumerate(LENGTHS)]
    with torch.no_grad():
        for i in range(s["depth"]):  # one block at a time, to stay small
            block = Block(s["width"], s["heads"], mlp_ratio=4, qkv_bias=True, norm_layer=norm).eval()
            block.load_state_dict({k: block_tensor(f"blocks.{i}.{k}", v.shape) for k, v in block.state_dict().items()})
            block.double()
            tokens = [block(x) for x in tokens]
        final = norm(s["width"]).double()
        final.load_state_dict({k: block_tensor(f"norm.{k}", v.shape) for k, v in final.state_dict().items()})
        outputs = [final(x)[0] for x in tokens]
    write(size, depth=s["depth"], width=s["width"], heads=s["heads"], lengths=LENGTHS, checks=sampled(outputs))


OPEN_CLIP = {"ln_1": "norm1", "ln_2": "norm2", "attn.in_proj_weight": "attn.qkv.weight", "attn.in_proj_bias": "attn.qkv.bias",
             "attn.out_proj": "attn.proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2"}


def our_name(name):
    name = name.replace("transformer.resblocks.", "blocks.").replace("ln_post", "norm").replace("ln_pre", "pre_norm")
    for theirs, ours in OPEN_CLIP.items():
        name = name.replace("." + theirs, "." + ours)
    return {"proj": "projection", "conv1.weight": "patch.weight", "class_embedding": "cls",
            "positional_embedding": "positions"}.get(name, name)


def clip_golden(name, activation, width, layers, heads):
    import open_clip.transformer as oc

    tower = oc.VisionTransformer(image_size=224, patch_size=16, width=width, layers=layers, heads=heads, mlp_ratio=4.0,
                                 output_dim=512, act_layer=activation).eval()
    state = {}
    for key, value in tower.state_dict().items():
        ours, shape = our_name(key), tuple(value.shape)
        if ours == "projection":
            state[key] = hashed(ours, shape, 1.4 / math.sqrt(shape[0]))
        elif ours in ("cls", "positions"):
            state[key] = hashed(ours, shape, 0.5)
        elif ours == "patch.weight":
            state[key] = hashed(ours, shape, 1.4 / math.sqrt(3 * 16 * 16))
        else:
            state[key] = block_tensor(ours, shape)
    tower.load_state_dict(state)
    tower.double()
    images = hashed("image", (2, 3, 224, 224), 1.7).double()
    with torch.no_grad():
        features = tower(images)
    write(name, depth=layers, width=width, heads=heads, checks=sampled([f[None] for f in features]))


def soft_matching(metric, r, class_token):
    """Bipartite soft matching as published (Bolya et al. 2023), for one sequence [T, D]: (unmerged a, from, into)."""
    protected = int(class_token)
    r = min(r, (metric.shape[0] - protected) // 2)
    metric = metric / metric.norm(dim=-1, keepdim=True)
    a, b = metric[::2], metric[1::2]
    scores = a @ b.T
    if class_token:
        scores[0, :] = -math.inf
    node_max, node_idx = scores.max(dim=-1)
    edge_idx = node_max.argsort(dim=-1, descending=True)
    unm, src = edge_idx[r:], edge_idx[:r]
    if class_token:
        unm = unm.sort()[0]
    return unm, src, node_idx[src]


def merged(x, size, unm, src, dst):
    def merge(v):
        a, b = v[::2], v[1::2].clone()
        return torch.cat([a[unm], b.scatter_add(0, dst[:, None].expand(-1, v.shape[1]), a[src])])
    total = merge(size)
    return merge(x * size) / total, total


def merge_golden():
    """The matches of one layer, and a tiny encoder that merges in each block."""
    matches = []
    for tokens, r, cls in ((197, 16, True), (64, 40, True), (33, 8, False)):
        unm, src, dst = soft_matching(hashed(f"metric.{tokens}", (tokens, 64), 1.0).double(), r, cls)
        matches.append(dict(tokens=tokens, merges=r, prefix=int(cls), unmerged=(2 * unm).tolist(),
                            pairs=[[2 * s, 2 * d + 1] for s, d in zip(src.tolist(), dst.tolist())]))
    width, heads, depth, r = 192, 3, 3, 20
    head = width // heads
    get = lambda name, *shape: block_tensor(name, shape).double()
    norm = lambda x, name: torch.nn.functional.layer_norm(x, (width,), get(name + ".weight", width),
                                                         get(name + ".bias", width), 1e-5)
    linear = lambda x, name, o, i: x @ get(name + ".weight", o, i).T + get(name + ".bias", o)
    checks, lengths = [], [197, 50, 7]
    for sample, length in enumerate(lengths):
        x = hashed(f"tokens.{sample}", (length, width), 1.7).double()
        size = torch.ones(length, 1).double()
        for i in range(depth):
            n = f"blocks.{i}."
            qkv = linear(norm(x, n + "norm1"), n + "attn.qkv", 3 * width, width).reshape(-1, 3, heads, head).permute(1, 2, 0, 3)
            scores = qkv[0] @ qkv[1].transpose(-2, -1) / math.sqrt(head) + size.log()[:, 0]
            y = (scores.softmax(-1) @ qkv[2]).transpose(0, 1).reshape(-1, width)
            x = x + linear(y, n + "attn.proj", width, width)
            x, size = merged(x, size, *soft_matching(qkv[1].mean(0), r, True))
            h = torch.nn.functional.gelu(linear(norm(x, n + "norm2"), n + "mlp.fc1", 4 * width, width))
            x = x + linear(h, n + "mlp.fc2", width, 4 * width)
        x = norm(x, "norm")
        mean = (x[1:] * size[1:]).sum(0) / size[1:].sum()
        for kind, row in ((0, x[0]), (1, mean)):
            checks += [[sample, kind, (k * 97 + 13) % width, round(float(row[(k * 97 + 13) % width]), 7)] for k in range(16)]
    write("merge", lengths=lengths, merges=r, matches=matches, checks=checks)


if __name__ == "__main__":
    import open_clip.transformer

    wanted = sys.argv[1:] or ["b16", "l14", "clip", "clip_quick", "merge"]
    for size in wanted:
        if size in SIZES:
            blocks_golden(size)
        elif size == "clip":
            clip_golden(size, torch.nn.GELU, 768, 12, 12)
        elif size == "clip_quick":
            clip_golden(size, open_clip.transformer.QuickGELU, 192, 3, 3)
        elif size == "merge":
            merge_golden()
