#!/usr/bin/env python3
"""Writes tests/golden/graph.json: Laplacian eigenvalues and projections on their spaces by NumPy, and the embedding with
its gradients by PyTorch.

    python tests/reference/make_graph_goldens.py > tests/golden/graph.json
"""
import json

import numpy as np
import torch

K = 16
torch.manual_seed(4)
rng = np.random.default_rng(4)


def numbers(array):
    return [float(f"{x:.9g}") for x in np.asarray(array, dtype=np.float64).ravel()]


def graphs():
    tree = [[int(rng.integers(0, i)), i] for i in range(1, 30)]
    yield "tree", 30, tree
    yield "path", 12, [[i, i + 1] for i in range(11)]
    yield "star and cycle", 20, [[0, i] for i in range(1, 8)] + [[8 + i, 8 + (i + 1) % 12] for i in range(12)]
    yield "loops, repeats, isolated", 9, [[0, 0], [0, 1], [1, 0], [0, 1], [2, 3], [3, 4], [4, 2], [5, 5]]
    yield "random", 60, [[int(a), int(b)] for a, b in rng.integers(0, 60, (150, 2))]


def laplacian(nodes, edges):
    a = np.zeros((nodes, nodes))
    for u, v in edges:
        a[u, v] = a[v, u] = 1
    d = np.maximum(a.sum(1), 1) ** -0.5
    return np.eye(nodes) - d[:, None] * a * d


def modes_golden():
    found = []
    for name, nodes, edges in graphs():
        values, vectors = np.linalg.eigh(laplacian(nodes, edges))
        k = min(K, nodes)
        # What does not depend on the basis: the projection on all eigenspaces that lie below the k-th eigenvalue whole.
        whole = int((values < values[k - 1] - 1e-8).sum())
        projection = vectors[:, :whole] @ vectors[:, :whole].T
        simple = [j for j in range(k) if min(abs(values[j] - values[i]) for i in range(nodes) if i != j) > 1e-3]
        signed = {}
        for j in simple[:4]:
            v = vectors[:, j]
            first = np.argmax(np.abs(v) >= np.abs(v).max() - 1e-6)
            signed[str(j)] = numbers(np.round(v * np.sign(v[first]), 9))
        found.append({"name": name, "nodes": nodes, "edges": edges, "values": [float(f"{x:.14g}") for x in values[:k]], "whole": whole,
                      "diagonal": numbers(np.round(np.diag(projection), 9)), "vectors": signed})
    return found


def embedding_golden():
    width, patch, kinds, tokens = 5, 7, 4, 6
    weight, types, table, cls = (torch.randn(s, requires_grad=True) for s in ((width, patch), (3, width), (kinds, width), (2, width)))
    gain, bias = torch.rand(width, requires_grad=True), torch.randn(width, requires_grad=True)
    x = torch.randn(tokens, patch)
    codes = torch.tensor([[2, 1, 0, 0], [0, 0, 1, 1], [1, 3, 0, 1], [0, 1, 0, 0], [0, 0, 1, 1], [1, 2, 1, 0]])
    y = x @ weight.T + types[codes[:, 0]] + table[codes[:, 1]]
    rows = torch.cat([cls, y[:3], cls, y[3:]])
    out = torch.nn.functional.layer_norm(rows, (width,), gain, bias, 1e-5)
    slope = torch.randn_like(out)
    (out * slope).sum().backward()
    tensors = {"patch.weight": weight, "types": types, "kinds": table, "cls": cls, "pre_norm.weight": gain, "pre_norm.bias": bias}
    return {"width": width, "patch": patch, "codes": codes.flatten().tolist(), "patches": numbers(x), "slope": numbers(slope),
            "tokens": numbers(out.detach()),
            "tensors": {k: {"shape": list(v.shape), "values": numbers(v.detach())} for k, v in tensors.items()},
            "gradients": {k: numbers(v.grad) for k, v in tensors.items()}}


print(json.dumps({"modes": modes_golden(), "embedding": embedding_golden()}))
