#!/usr/bin/env python3
"""Graphs per core through 16 Laplacian eigenvectors: mt-tokenize graph --patches beside NumPy.

    MT_BIN=build/release/bin python3 bench/tokenize_graph.py ../shared/data/graph/TU_PROTEINS

Of NumPy only the eigenvectors of the dense Laplacians count, the edges are in memory; mt-tokenize reads the folder, finds all
that it knows of nodes and edges, and writes the patches.
"""
import os
import sys
import tempfile

import beside
import numpy as np

folder = sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__)
name = os.path.basename(os.path.normpath(folder)).removeprefix("TU_")
edges = np.loadtxt(f"{folder}/{name}_A.txt", delimiter=",", dtype=int) - 1
graph_of = np.loadtxt(f"{folder}/{name}_graph_indicator.txt", dtype=int) - 1
graphs = graph_of.max() + 1
first = np.searchsorted(graph_of, np.arange(graphs + 1))
own = [edges[graph_of[edges[:, 0]] == g] - first[g] for g in range(graphs)]


def reference():
    for g in range(graphs):
        n = first[g + 1] - first[g]
        a = np.zeros((n, n))
        u, v = own[g].T
        a[u, v] = a[v, u] = 1
        d = np.maximum(a.sum(1), 1) ** -0.5
        np.linalg.eigh(np.eye(n) - d[:, None] * a * d)


with tempfile.TemporaryDirectory() as out:
    beside.compare(f"{name}, {graphs} graphs", graphs, "graphs", {
        "mt-tokenize graph --patches, files to file": lambda: beside.tokenize("graph", folder, "--patches", "--fit",
                                                                              f"{out}/f.h5", "-o", f"{out}/a.h5"),
        "NumPy's eigh, memory to memory": reference}, rounds=3)
