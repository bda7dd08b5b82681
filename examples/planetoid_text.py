#!/usr/bin/env python3
"""Turns Planetoid's pickles (ind.NAME.*) into text: NAME.content and NAME.cites, and the ids of the usual split, NAME.train.txt
and NAME.test.txt. Needs NumPy and SciPy.

    examples/planetoid_text.py ../shared/data/graph/planetoid_cora cora OUT
"""
import pickle
import sys

import numpy as np
import scipy.sparse

folder, name, out = sys.argv[1:]


def load(part):
    with open(f"{folder}/ind.{name}.{part}", "rb") as file:
        return pickle.load(file, encoding="latin1")


x, allx, tx, y, ally, ty, graph = (load(part) for part in ("x", "allx", "tx", "y", "ally", "ty", "graph"))
test = np.loadtxt(f"{folder}/ind.{name}.test.index", dtype=int)
features = scipy.sparse.vstack([allx, tx]).toarray()
classes = np.vstack([ally, ty])
# The test rows lie in the order of test.index.
features[test], classes[test] = features[np.sort(test)], classes[np.sort(test)]
with open(f"{out}/{name}.content", "w") as file:
    for node, (row, kind) in enumerate(zip(features, classes)):
        print(node, " ".join(f"{value:g}" for value in row), f"class{kind.argmax()}", sep="\t", file=file)
with open(f"{out}/{name}.cites", "w") as file:
    for node, others in graph.items():
        for other in others:
            print(other, node, sep="\t", file=file)
for split, nodes in (("train", range(len(y))), ("test", test)):
    with open(f"{out}/{name}.{split}.txt", "w") as file:
        print(*(f"{name}#{node}" for node in nodes), sep="\n", file=file)
