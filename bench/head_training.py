#!/usr/bin/env python3
"""mt-train-head's linear head beside scikit-learn's LogisticRegression: same data, same l2, same threads, same loss.

    python3 bench/head_training.py [--features FILE] [--l2 L2] [--repeats N] [--threads N] [--bin DIR]

Needs numpy, h5py and scikit-learn. Without --features it makes 60,000 x 768 features of 10 classes with the spectrum of
trained features (variance falling as 1/rank, classes overlapping). Each repeat runs both, one after the other. mt-train-head is
timed as a whole program, start, reading and writing included; of scikit-learn only fit() counts, on standardised float32 rows
in memory. scikit-learn runs at its default tolerance, and again with smaller ones until its loss is no higher than ours by more
than 1e-6 of it: that is the fit which is compared. Both losses are computed here, in double precision.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

# Some environments name a slow kernel for all machines.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)

parser = argparse.ArgumentParser()
parser.add_argument("--features", help="a features file with labels")
parser.add_argument("--samples", type=int, default=60000)
parser.add_argument("--width", type=int, default=768)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--l2", type=float, default=1e-3)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--bin", default=str(pathlib.Path(__file__).parent.parent / "build/release/bin"))
args = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(args.threads)

import h5py  # noqa: E402
import numpy as np  # noqa: E402
import sklearn  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402


def make_features(path):
    random = np.random.default_rng(1)
    labels = random.integers(0, args.classes, args.samples)
    spectrum = (1 / np.sqrt(np.arange(1, args.width + 1))).astype(np.float32)
    centres = random.standard_normal((args.classes, args.width), dtype=np.float32) * 0.1
    rows = (random.standard_normal((args.samples, args.width), dtype=np.float32) + centres[labels]) * spectrum
    rotation, _ = np.linalg.qr(random.standard_normal((args.width, args.width), dtype=np.float32))
    rows = rows @ rotation
    with h5py.File(path, "w") as file:
        file.attrs["mt_kind"] = "features"
        file.attrs["mt_format"] = 1
        file["features"] = rows
        file["labels"] = labels.astype(np.int32)
        file["ids"] = np.array([str(i) for i in range(args.samples)], dtype="S8")


def loss_of(rows, labels, weight, bias):
    logits = rows.astype(np.float64) @ weight.T + bias
    logits -= logits.max(axis=1, keepdims=True)
    picked = logits[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(logits).sum(axis=1)) - picked) + args.l2 / 2 * np.square(weight).sum())


with tempfile.TemporaryDirectory() as folder:
    features = args.features or os.path.join(folder, "features.h5")
    if not args.features:
        make_features(features)
    with h5py.File(features) as file:
        rows, labels = file["features"][:], file["labels"][:]
    rows, labels = rows[labels >= 0].astype(np.float32), labels[labels >= 0]
    deviation = rows.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1
    standard = ((rows - rows.mean(axis=0, dtype=np.float64)) / deviation).astype(np.float32)
    print(f"{len(rows)} x {rows.shape[1]} features, {labels.max() + 1} classes, l2 {args.l2:g}, {args.threads} threads, "
          f"scikit-learn {sklearn.__version__}")

    def ours():
        head = os.path.join(folder, "head.h5")
        start = time.perf_counter()
        subprocess.run([os.path.join(args.bin, "mt-train-head"), features, "--l2", repr(args.l2), "--validation", "0",
                        "--threads", str(args.threads), "--quiet", "--force", "-o", head], check=True)
        seconds = time.perf_counter() - start
        with h5py.File(head) as file:
            tensors = {}
            file.visititems(lambda name, item: tensors.update({name.rsplit("/", 1)[-1]: item[:]})
                            if isinstance(item, h5py.Dataset) else None)
            names = json.loads(file["head"].attrs["config"])["class_names"]
        order = np.argsort([int(name) for name in names])  # classes without names are named by their numbers
        return seconds, tensors["layers.0.weight"][order].astype(np.float64), tensors["layers.0.bias"][order].astype(np.float64)

    def theirs(tolerance):
        model = LogisticRegression(C=1 / (args.l2 * len(rows)), solver="lbfgs", tol=tolerance, max_iter=10000)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(standard, labels)
        seconds = time.perf_counter() - start
        return seconds, loss_of(standard, labels, model.coef_, model.intercept_), int(model.n_iter_[0])

    seconds, weight, bias = ours()
    loss = loss_of(standard, labels, weight, bias)
    print(f"mt-train-head: loss {loss:.9f}, {seconds:.2f} s")
    tolerance = 1e-4
    while True:
        seconds, their_loss, iterations = theirs(tolerance)
        print(f"scikit-learn, tol {tolerance:g}: loss {their_loss:.9f}, {iterations} iterations, {seconds:.2f} s", flush=True)
        if their_loss <= loss * (1 + 1e-6) or tolerance < 1e-8:
            break
        tolerance /= 10
    ratios, mine, peer = [], [], []
    for _ in range(args.repeats):
        mine.append(ours()[0])
        peer.append(theirs(tolerance)[0])
        ratios.append(peer[-1] / mine[-1])
    print(f"median of {args.repeats}: mt-train-head {statistics.median(mine):.2f} s, scikit-learn {statistics.median(peer):.2f} s, "
          f"ratio {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f})")
