#!/usr/bin/env python3
"""Samples per core: mt-tokenize time-series, imu and hyperspectral beside pandas, NumPy and PyTorch.

    MT_BIN=build/release/bin python3 bench/tokenize_series.py [time-series|imu|hyperspectral]...

Both sides start from files and end with tokens of width 192: once in a pipe that nobody reads, or in memory, and once in a file.
Start-up is included on our side, imports are not on the other. Needs numpy, pandas, torch, h5py, and 4 GB for temporary files.
"""
import pathlib
import sys
import tempfile

import beside
import h5py
import numpy as np
import pandas as pd
import torch

WIDTH = 192


class Tokens:
    """Where a reference puts its tokens, [rows, 192]: a data set of a file, or nowhere."""

    def __init__(self, path, rows):
        self.file = h5py.File(path, "w") if path else None
        self.tokens = self.file.create_dataset("tokens", (rows, WIDTH), dtype="f4") if path else None

    def put(self, begin, rows):
        if self.file:
            self.tokens[begin:begin + len(rows)] = rows

    def close(self):
        if self.file:
            self.file.close()


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
    positions = torch.randn(96, WIDTH)

    def reference(path):
        data = pd.read_csv(folder / "load.csv")
        index = pd.DatetimeIndex(data.pop("date"))
        marks = np.stack([index.hour / 23 - .5, index.day_of_week / 6 - .5, (index.day - 1) / 30 - .5,
                          (index.day_of_year - 1) / 365 - .5], 1).astype(np.float32)
        values = data.to_numpy(np.float32)
        values = (values - values.mean(0)) / values.std(0)
        count = steps - 96 + 1
        out = Tokens(path, count * 96)
        with torch.no_grad():
            for begin in range(0, count, 256):
                starts = np.arange(begin, min(begin + 256, count))
                window = torch.from_numpy(values[starts[:, None] + np.arange(96)])
                mark = torch.from_numpy(marks[starts[:, None] + np.arange(96)])
                tokens = conv(window.transpose(1, 2)).transpose(1, 2) + calendar(mark) + positions
                out.put(begin * 96, tokens.reshape(-1, WIDTH).numpy())
        out.close()

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

    def reference(path):
        series = []
        with open(folder / "motions.ts") as f:
            for line in f:
                if line[0] not in "@#":
                    series.append([np.array(c.split(","), np.float32) for c in line.rstrip("\n").split(":")[:-1]])
        data = np.array(series)
        data = (data - data.mean((0, 2), keepdims=True)) / data.std((0, 2), keepdims=True)
        rows = data.reshape(cases, channels, steps // 8, 8).transpose(0, 2, 1, 3).reshape(-1, 8 * channels)
        tokens = torch.nn.functional.layer_norm(torch.from_numpy(embed(np.ascontiguousarray(rows), weight)), (WIDTH,))
        out = Tokens(path, len(tokens))
        out.put(0, tokens.numpy())
        out.close()

    return "series of 200 steps, 6 channels", cases, ["imu", folder / "motions.ts"], reference


def hyperspectral(folder):
    """Pixels of a scene of 100 bands: windows of 3 x 3 pixels and 3 bands, a class token and positions."""
    rows, columns, bands = 60, 100, 100
    cube = np.random.default_rng(2).integers(0, 4000, (rows, columns, bands)).astype(np.uint16)
    np.save(folder / "scene.npy", cube)
    weight, cls, positions = torch.randn(WIDTH, 27), torch.randn(1, 1, WIDTH), torch.randn(bands + 1, WIDTH)

    def reference(path):
        scene = np.load(folder / "scene.npy").astype(np.float32)
        flat = scene.reshape(-1, bands)
        scene = np.pad((scene - flat.min(0)) / (flat.max(0) - flat.min(0)), ((1, 1), (1, 1), (0, 0)), mode="symmetric")
        out = Tokens(path, rows * columns * (bands + 1))
        for row in range(rows):
            window = np.lib.stride_tricks.sliding_window_view(scene[row:row + 3], (3, 3), (0, 1))[0]
            window = window.reshape(columns, bands, 9)
            patches = np.concatenate([np.roll(window, -k, 1) for k in (-1, 0, 1)], 2).reshape(-1, 27)
            tokens = torch.from_numpy(embed(np.ascontiguousarray(patches), weight)).reshape(columns, bands, WIDTH)
            tokens = torch.cat([cls.expand(columns, 1, WIDTH), tokens], 1) + positions
            out.put(row * columns * (bands + 1), tokens.reshape(-1, WIDTH).numpy())
        out.close()

    command = ["hyperspectral", folder / "scene.npy", "--window", "3", "--neighbours", "3"]
    return "pixels of 100 bands, 3 x 3 x 3", rows * columns, command, reference


MODALITIES = {"time-series": time_series, "imu": imu, "hyperspectral": hyperspectral}
torch.set_num_threads(1)
for modality in sys.argv[1:] or MODALITIES:
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        name, samples, command, reference = MODALITIES[modality](folder)
        options = ["--fit", folder / "fit.h5", "--width", WIDTH, "-o"]
        for end, output, path in (("pipe", "-", None), ("file", folder / "tokens.h5", folder / "reference.h5")):
            beside.compare(f"{name}, to a {end}", samples, "samples", {
                f"mt-tokenize {modality}": lambda: beside.tokenize(*command, *options, output),
                "Python": lambda: reference(path)}, rounds=3)
