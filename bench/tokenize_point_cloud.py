#!/usr/bin/env python3
"""Farthest points and nearest neighbours on one core: mt-tokenize point-cloud --patches beside fpsample and scikit-learn.

    MT_BIN=build/release/bin python3 bench/tokenize_point_cloud.py [POINTS]

The program's time has start, reading and writing in it; the references get points that are in memory. fpsample and scikit-learn do
half of the work each. Needs numpy, fpsample, scikit-learn.
"""
import pathlib
import sys
import tempfile

import beside
import fpsample
import numpy as np
from sklearn.neighbors import NearestNeighbors

CENTERS, NEIGHBORS = 256, 32
PLAIN, BUCKET = "fpsample, plain loop", "fpsample, bucket k-d line"


def surface(count):
    """Points on a bumpy sphere: as scans have them, on a surface and unevenly."""
    rng = np.random.default_rng(0)
    v = rng.normal(size=(count, 3))
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    return (v * (1 + 0.2 * np.sin(5 * v[:, :1])) + rng.normal(scale=0.003, size=v.shape)).astype(np.float32)


points = surface(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
chosen = fpsample.fps_sampling(points, CENTERS, start_idx=0)
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "a.npy"
    np.save(path, points)
    results = beside.compare(f"{len(points)} points, {CENTERS} centres, {NEIGHBORS} neighbours", 1, "clouds", {
        "mt-tokenize point-cloud --patches": lambda: beside.tokenize(
            "point-cloud", path, "--points", 0, "--scale", "none", "--centers", CENTERS, "--neighbors", NEIGHBORS, "--patches",
            "-o", f"{folder}/a.h5"),
        PLAIN: lambda: fpsample.fps_sampling(points, CENTERS, start_idx=0),
        BUCKET: lambda: fpsample.bucket_fps_kdline_sampling(points, CENTERS, h=9, start_idx=0),
        "scikit-learn, k-d tree of neighbours": lambda: NearestNeighbors(
            n_neighbors=NEIGHBORS, algorithm="kd_tree").fit(points).kneighbors(points[chosen])}, rounds=3)
print(f"  the bucket line chose {'the same' if (results[PLAIN] == results[BUCKET]).all() else 'other'} points")
