#!/usr/bin/env python3
"""Graphs a second on one core through 16 Laplacian eigenvectors: mt-tokenize and NumPy, in one run.

    MT_BIN=build/release/bin python bench/tokenize_graph.py ../shared/data/graph/TU_PROTEINS
"""
import os
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
import numpy as np

folder = sys.argv[1]
name = os.path.basename(os.path.normpath(folder)).removeprefix("TU_")
mt_tokenize = os.path.join(os.environ.get("MT_BIN", "build/release/bin"), "mt-tokenize")

edges = np.loadtxt(f"{folder}/{name}_A.txt", delimiter=",", dtype=int) - 1
graph_of = np.loadtxt(f"{folder}/{name}_graph_indicator.txt", dtype=int) - 1
first = np.searchsorted(graph_of, np.arange(graph_of.max() + 2))
of_edge = graph_of[edges[:, 0]]

start = time.perf_counter()
for g in range(graph_of.max() + 1):
    n = first[g + 1] - first[g]
    a = np.zeros((n, n))
    u, v = (edges[of_edge == g] - first[g]).T
    a[u, v] = a[v, u] = 1
    d = np.maximum(a.sum(1), 1) ** -0.5
    np.linalg.eigh(np.eye(n) - d[:, None] * a * d)
numpy_seconds = time.perf_counter() - start

with tempfile.TemporaryDirectory() as out:
    start = time.perf_counter()
    subprocess.run([mt_tokenize, "graph", folder, "--patches", "--fit", f"{out}/f.h5", "--threads", "1", "--quiet", "-o", f"{out}/a.h5"],
                   check=True)
    ours = time.perf_counter() - start
graphs = graph_of.max() + 1
print(f"{name}: {graphs} graphs, one core")
print(f"mt-tokenize --patches, the whole program   {graphs / ours:8.0f} graphs/s")
print(f"NumPy eigh of the dense Laplacian alone    {graphs / numpy_seconds:8.0f} graphs/s")
