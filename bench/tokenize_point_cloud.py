#!/usr/bin/env python3
"""Seconds on one core for farthest points and nearest neighbours: mt-tokenize, fpsample, scikit-learn, in one run.

    MT_BIN=build/release/bin python bench/tokenize_point_cloud.py [POINTS]
"""
import os
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
import fpsample
import numpy as np
from sklearn.neighbors import NearestNeighbors

CENTERS, NEIGHBORS = 256, 32
mt_tokenize = os.path.join(os.environ.get("MT_BIN", "build/release/bin"), "mt-tokenize")
n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000


def best(work, rounds=3):
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def tokenize(path, centers, neighbors, out):
    subprocess.run([mt_tokenize, "point-cloud", path, "--points", "0", "--scale", "none", "--centers", str(centers), "--neighbors",
                    str(neighbors), "--patches", "--threads", "1", "--quiet", "--force", "-o", out], check=True)


def surface(count):
    """Points on a bumpy sphere: as scans have them, on a surface and unevenly."""
    rng = np.random.default_rng(0)
    v = rng.normal(size=(count, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    return (v * (1 + 0.2 * np.sin(5 * v[:, :1])) + rng.normal(scale=0.003, size=v.shape)).astype(np.float32)


points = surface(n)
with tempfile.TemporaryDirectory() as folder:
    path, out = os.path.join(folder, "a.npy"), os.path.join(folder, "a.h5")
    np.save(path, points)
    idle, _ = best(lambda: tokenize(path, 1, 1, out))  # start, reading, the tree
    ours, _ = best(lambda: tokenize(path, CENTERS, NEIGHBORS, out))
plain, chosen = best(lambda: fpsample.fps_sampling(points, CENTERS, start_idx=0), 1)
bucket, bucket_chosen = best(lambda: fpsample.bucket_fps_kdline_sampling(points, CENTERS, h=9, start_idx=0))
tree, _ = best(lambda: NearestNeighbors(n_neighbors=NEIGHBORS, algorithm="kd_tree").fit(points).kneighbors(points[chosen]), 2)
print(f"{n} points, {CENTERS} centres, {NEIGHBORS} neighbours, one core")
print(f"mt-tokenize --patches, the whole program   {ours:8.3f} s (with 1 centre and 1 neighbour {idle:.3f} s)")
print(f"fpsample, plain loop                       {plain:8.3f} s")
print(f"fpsample, bucket k-d line                  {bucket:8.3f} s (same points: {(chosen == bucket_chosen).all()})")
print(f"scikit-learn, k-d tree of neighbours       {tree:8.3f} s")
