"""The encoder that every peer runs: weights of a model file of ours, tokens of a file of ours, one way to time.

Weights come from `mt-convert random:b16 -o b16.safetensors`, tokens from this file:
    python3 workload.py b16 32 tokens.h5
"""
import math
import sys
import time

import numpy as np

SIZES = {"b16": dict(blocks=12, width=768, heads=12, tokens=197), "l14": dict(blocks=24, width=1024, heads=16, tokens=257)}
EPS = 1e-5


def gflop(size):
    """Operations of one sample, 1e9; a multiplication and an addition are two."""
    s = SIZES[size]
    n, d = s["tokens"], s["width"]
    return s["blocks"] * (24 * n * d * d + 4 * n * n * d) / 1e9


def tokens(size, batch):
    """[batch, tokens, width] float32, seeded: the same for every peer and for ours."""
    s = SIZES[size]
    return np.random.RandomState(1).standard_normal((batch, s["tokens"], s["width"])).astype(np.float32)


def write_tokens(size, batch, path):
    import h5py

    x = tokens(size, batch)
    with h5py.File(path, "w") as f:
        f.attrs["mt_kind"], f.attrs["mt_format"] = "tokens", 1
        f["tokens"] = x.reshape(-1, x.shape[2])
        f["tokens"].attrs["prefix"] = 1
        f["offsets"] = np.arange(batch + 1, dtype=np.int64) * x.shape[1]
        f["ids"] = np.array([b"%08d" % i for i in range(batch)])


def weights(path):
    """Tensors of the blocks as NumPy arrays, by their names without the part in front."""
    from safetensors.numpy import load_file

    found = {k[k.index("blocks.") + len("blocks."):]: v for k, v in load_file(path).items() if "blocks." in k}
    return {k: v.astype(np.float32) for k, v in found.items()}


def peak_memory_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))


def measure(run, seconds):
    """Best time of one call, after two to warm up."""
    for _ in range(2):
        run()
    best, start = math.inf, time.perf_counter()
    rounds = 0
    while rounds < 3 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        run()
        best = min(best, time.perf_counter() - begin)
        rounds += 1
    return best


def report(peer, dtype, size, batch, best, output=None, reference=None):
    """One line of the table; the relative error is of the first sample, against reference (a .npy file)."""
    error = ""
    if output is not None and reference:
        exact = np.load(reference)
        error = f"{np.linalg.norm(np.asarray(output, np.float32)[0] - exact) / np.linalg.norm(exact):.1e}"
    rate = batch / best
    print(f"{peer:<32} {dtype:<5} {size} {batch:>3} {rate:9.3f} {gflop(size) * rate:9.1f} {peak_memory_mb():8.0f}  {error}", flush=True)


if __name__ == "__main__":
    write_tokens(sys.argv[1], int(sys.argv[2]), sys.argv[3])
