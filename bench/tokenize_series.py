#!/usr/bin/env python3
"""Throughput of mt-tokenize time-series, imu and hyperspectral against Python references, one core each, in one run.

    python bench/tokenize_series.py BUILD/bin [FOLDER]

Needs numpy, pandas, torch, h5py. Both sides start from files and end with tokens of width 192 in a file; start-up is included
on both sides, imports are not. Files are made in FOLDER (default: a temporary one), about 600 MB.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
import pandas as pd
import torch

WIDTH = 192


def timed(work):
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def save(path, tokens):
    with h5py.File(path, "w") as f:
        f.create_dataset("tokens", data=tokens)


def embed(rows, weight):
    """What LinearEmbedding does with a batch of patches, in PyTorch."""
    return torch.nn.functional.linear(torch.from_numpy(rows), weight).numpy()


def time_series(folder):
    """Forecast windows of an hourly recording: pandas, a StandardScaler, sliding windows, DataEmbedding."""
    steps, channels = 17420, 7
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(steps, channels)), columns=[f"x{i}" for i in range(channels)])
    frame.insert(0, "date", pd.date_range("2016-07-01", periods=steps, freq="h"))
    frame.to_csv(folder / "load.csv", index=False)
    conv = torch.nn.Conv1d(channels, WIDTH, 3, padding=1, padding_mode="circular", bias=False)
    calendar = torch.nn.Linear(4, WIDTH, bias=False)

    def reference():
        data = pd.read_csv(folder / "load.csv")
        index = pd.DatetimeIndex(data.pop("date"))
        marks = np.stack([index.hour / 23 - .5, index.day_of_week / 6 - .5, (index.day - 1) / 30 - .5,
                          (index.day_of_year - 1) / 365 - .5], 1).astype(np.float32)
        values = data.to_numpy(np.float32)
        values = (values - values.mean(0)) / values.std(0)
        count = steps - 96 + 1
        with h5py.File(folder / "reference.h5", "w") as f, torch.no_grad():
            out = f.create_dataset("tokens", (count * 96, WIDTH), dtype="f4")
            for begin in range(0, count, 256):
                starts = np.arange(begin, min(begin + 256, count))
                window = torch.from_numpy(values[starts[:, None] + np.arange(96)])
                mark = torch.from_numpy(marks[starts[:, None] + np.arange(96)])
                tokens = conv(window.transpose(1, 2)).transpose(1, 2) + calendar(mark)
                out[begin * 96:(begin + len(starts)) * 96] = tokens.reshape(-1, WIDTH).numpy()

    command = ["time-series", folder / "load.csv", "--window", "96", "--stride", "1", "--embedding", "step"]
    return "windows of 96 steps, 7 channels", steps - 96 + 1, command, reference


def imu(folder):
    """Cases of 6 channels in a .ts file, cut into blocks of 8."""
    cases, steps, channels = 4000, 200, 6
    rng = np.random.default_rng(1)
    with open(folder / "motions.ts", "w") as f:
        f.write(f"@univariate false\n@dimensions {channels}\n@classLabel true a b\n@data\n")
        for i in range(cases):
            series = rng.normal(size=(channels, steps))
            f.write(":".join(",".join(f"{x:.6f}" for x in channel) for channel in series) + f":{'ab'[i % 2]}\n")
    weight = torch.randn(WIDTH, 8 * channels)

    def reference():
        series = []
        with open(folder / "motions.ts") as f:
            for line in f:
                if line[0] not in "@#":
                    series.append([np.array(c.split(","), np.float32) for c in line.rstrip("\n").split(":")[:-1]])
        data = np.array(series)
        data = (data - data.mean((0, 2), keepdims=True)) / data.std((0, 2), keepdims=True)
        rows = data.reshape(cases, channels, steps // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 8 * channels)
        tokens = torch.nn.functional.layer_norm(torch.from_numpy(embed(np.ascontiguousarray(rows), weight)), (WIDTH,))
        save(folder / "reference.h5", tokens.numpy())

    return "series of 200 steps, 6 channels", cases, ["imu", folder / "motions.ts"], reference


def hyperspectral(folder):
    """Pixels of a scene of 100 bands: windows of 3 x 3 pixels and 3 bands."""
    rows, columns, bands = 60, 100, 100
    cube = np.random.default_rng(2).integers(0, 4000, (rows, columns, bands)).astype(np.uint16)
    np.save(folder / "scene.npy", cube)
    weight = torch.randn(WIDTH, 27)

    def reference():
        scene = np.load(folder / "scene.npy").astype(np.float32)
        flat = scene.reshape(-1, bands)
        scene = np.pad((scene - flat.min(0)) / (flat.max(0) - flat.min(0)), ((1, 1), (1, 1), (0, 0)), mode="symmetric")
        with h5py.File(folder / "reference.h5", "w") as f:
            out = f.create_dataset("tokens", (rows * columns * bands, WIDTH), dtype="f4")
            for row in range(rows):
                window = np.lib.stride_tricks.sliding_window_view(scene[row:row + 3], (3, 3), (0, 1))[0]
                window = window.reshape(columns, bands, 9)
                patches = np.concatenate([np.roll(window, -k, 1) for k in (-1, 0, 1)], 2).reshape(-1, 27)
                out[row * columns * bands:(row + 1) * columns * bands] = embed(np.ascontiguousarray(patches), weight)

    command = ["hyperspectral", folder / "scene.npy", "--window", "3", "--neighbours", "3"]
    return "pixels of 100 bands, 3 x 3 x 3", rows * columns, command, reference


def main():
    program = pathlib.Path(sys.argv[1]) / "mt-tokenize"
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        print("| samples | mt-tokenize, samples/s | Python reference, samples/s | ratio |\n|---|---|---|---|")
        for make in (time_series, imu, hyperspectral):
            name, samples, command, reference = make(folder)
            options = ["--fit", folder / "fit.h5", "--width", str(WIDTH), "--threads", "1", "--force", "--quiet",
                       "-o", folder / "tokens.h5"]
            ours = samples / timed(lambda: subprocess.run([program, *command, *options], check=True,
                                                          stderr=subprocess.DEVNULL))
            theirs = samples / timed(reference)
            print(f"| {name} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
