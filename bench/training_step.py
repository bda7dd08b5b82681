#!/usr/bin/env python3
"""One step of training through B16, ours and PyTorch's, in turn: the same sizes, batch and threads.

usage: training_step.py [--threads N] [--rounds N] [--bench build/release/bin/mt-bench]      (needs torch)

Columns: what, who, ms a sample (best round), forwards of its own.
"""
import argparse
import json
import os
import subprocess
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--rounds", type=int, default=2)
parser.add_argument("--bench", default="build/release/bin/mt-bench")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)

import torch  # after the number of threads is set

BATCH, TOKENS, WIDTH, HEADS, BLOCKS = 8, 197, 768, 12, 12


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = torch.nn.LayerNorm(WIDTH, 1e-6), torch.nn.LayerNorm(WIDTH, 1e-6)
        self.qkv, self.proj = torch.nn.Linear(WIDTH, 3 * WIDTH), torch.nn.Linear(WIDTH, WIDTH)
        self.fc1, self.fc2 = torch.nn.Linear(WIDTH, 4 * WIDTH), torch.nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x):
        n, t, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, t, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        y = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, t, WIDTH)
        x = x + self.proj(y)
        return x + self.fc2(torch.nn.functional.gelu(self.fc1(self.norm2(x))))


def torch_times(tuned):
    """Seconds of a forward without gradients, and of a step."""
    model = torch.nn.Sequential(*[Block() for _ in range(BLOCKS)], torch.nn.LayerNorm(WIDTH, 1e-6)).requires_grad_(tuned)
    x = torch.randn(BATCH, TOKENS, WIDTH)
    slopes = torch.randn(BATCH, WIDTH)

    def forward():
        with torch.no_grad():
            model(x)

    def step():
        model.zero_grad(set_to_none=False)
        tokens = x.clone().requires_grad_()
        (model(tokens)[:, 0] * slopes).sum().backward()

    best = []
    for work in (forward, step):
        times = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        best.append(min(times))
    return best


def ours():
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([options.bench, "--only", "training", "--threads", str(options.threads), "--seconds", "0", "--json",
                        out.name], check=True, stdout=subprocess.DEVNULL)
        return {row["name"]: row["value"] for row in json.load(open(out.name))["rows"]}


torch.set_num_threads(options.threads)
best = {}
for _ in range(options.rounds):
    found = {("ours", name): value for name, value in ours().items()}
    for tuned in (False, True):
        forward, step = torch_times(tuned)
        found["torch", "forward"] = min(forward * 1e3 / BATCH, found.get(("torch", "forward"), 1e9))
        found["torch", "tuned" if tuned else "frozen"] = step * 1e3 / BATCH
    for key, value in found.items():
        best[key] = min(value, best.get(key, value))
for (who, what), value in best.items():
    print(f"{what:<28} {who:<6} {value:8.1f} ms {value / best[who, 'forward']:6.2f}")
