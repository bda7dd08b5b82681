#!/usr/bin/env python3
"""Makes tests/golden/gradients_*.json: sampled gradients of timm's blocks by PyTorch's autograd, in float64.

b16: of the tokens, through all 12 blocks. tiny: of the tokens and of every parameter, with the mean of the tokens.
Weights, inputs and the gradients that come from above are hashes, as in make_encoder_goldens.py.

usage: make_gradient_goldens.py      (needs torch, timm)
"""
import functools
import json

import torch
from timm.models.vision_transformer import Block

from make_encoder_goldens import GOLDEN, block_tensor, hashed

CASES = {
    "b16": dict(blocks=12, width=768, heads=12, lengths=[197, 2], pooling="cls", parameters=False),
    "tiny": dict(blocks=3, width=192, heads=3, lengths=[50, 3, 7], pooling="mean", parameters=True),
}


def tower(blocks, width, heads):
    norm = functools.partial(torch.nn.LayerNorm, eps=1e-5)
    tower = torch.nn.Module()
    tower.blocks = torch.nn.ModuleList(Block(width, heads, mlp_ratio=4, qkv_bias=True, norm_layer=norm) for _ in range(blocks))
    tower.norm = norm(width)
    tower.load_state_dict({k: block_tensor(k, tuple(v.shape)) for k, v in tower.state_dict().items()})
    return tower.eval().double()


def samples(gradient, count):
    flat = gradient.reshape(-1)
    places = sorted({(i * 7919 + 13) % flat.numel() for i in range(count)})
    return [[place, float(f"{float(flat[place]):.7g}")] for place in places]


def make(name, blocks, width, heads, lengths, pooling, parameters):
    model = tower(blocks, width, heads)
    for parameter in model.parameters():
        parameter.requires_grad_(parameters)
    tokens = [hashed(f"tokens.{i}", (1, n, width), 1.7).double().requires_grad_() for i, n in enumerate(lengths)]
    slopes = hashed("slopes", (len(lengths), width), 1).double()
    for x, slope in zip(tokens, slopes):
        y = x
        for block in model.blocks:
            y = block(y)
        y = model.norm(y)[0]
        feature = y[0] if pooling == "cls" else y[1:].mean(0)
        (feature * slope).sum().backward()
    gradients = {f"tokens.{i}": x.grad[0] for i, x in enumerate(tokens)}
    gradients |= {k: p.grad for k, p in model.named_parameters() if parameters}
    content = dict(blocks=blocks, width=width, heads=heads, lengths=lengths, pooling=pooling, gradients={
        k: dict(norm=float(f"{float(g.norm()):.9g}"), samples=samples(g, 48 if k.startswith("tokens") else 6))
        for k, g in gradients.items()})
    path = GOLDEN / f"gradients_{name}.json"
    lines = ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in content.pop("gradients").items())
    path.write_text(json.dumps(content)[:-1] + ', "gradients": {\n' + lines + "\n}}\n")
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    for case, settings in CASES.items():
        make(case, **settings)
