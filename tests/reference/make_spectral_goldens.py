#!/usr/bin/env python3
"""Writes tests/golden/spectral/: one small scene in every format that is read, and what NumPy makes of its pixels.

    python tests/reference/make_spectral_goldens.py tests/golden/spectral
"""
import json
import pathlib
import sys

import h5py
import numpy as np
import scipy.io

ROWS, COLUMNS, BANDS, WINDOW, NEIGHBOURS = 4, 5, 6, 3, 3
ENVI_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}


def envi(folder, name, cube, code, interleave, big):
    order = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}[interleave]
    numbers = cube.transpose(order).astype((">" if big else "<") + ENVI_TYPES[code])
    (folder / f"{name}.raw").write_bytes(b"skip" + numbers.tobytes())
    (folder / f"{name}.hdr").write_text(
        f"ENVI\ndescription = {{\n  made for tests,\n  over two lines}}\nsamples = {COLUMNS}\nlines = {ROWS}\nbands = {BANDS}\n"
        f"header offset = 4\nfile type = ENVI Standard\ndata type = {code}\ninterleave = {interleave}\nbyte order = {int(big)}\n")


def tokens(cube, row, column):
    """[bands, neighbours * window * window] of a pixel, scaled by each band's least and largest value."""
    flat = cube.reshape(-1, BANDS)
    scaled = (cube - flat.min(0)) / (flat.max(0) - flat.min(0))
    half = WINDOW // 2
    padded = np.pad(scaled, ((half, half), (half, half), (0, 0)), mode="symmetric")
    window = padded[row:row + WINDOW, column:column + WINDOW]
    reach = range(-(NEIGHBOURS // 2), NEIGHBOURS // 2 + 1)
    return [np.concatenate([window[:, :, (band + k) % BANDS].reshape(-1) for k in reach]).tolist() for band in range(BANDS)]


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    cube = rng.integers(0, 200, (ROWS, COLUMNS, BANDS)).astype(np.uint8)
    labels = np.array([[0, 1, 1, 2, 0], [3, 1, 2, 2, 0], [3, 3, 0, 2, 1], [0, 0, 0, 10, 1]], np.uint8)
    abundances = rng.random((3, ROWS * COLUMNS))
    abundances[:, 7] = 0
    for code in ENVI_TYPES:
        for interleave in ("bsq", "bil", "bip"):
            if code in (4, 12) or interleave == "bil":
                envi(folder, f"{ENVI_TYPES[code]}_{interleave}", cube, code, interleave, code % 2 == 0)
    np.save(folder / "scene.npy", cube)
    np.save(folder / "labels.npy", labels)
    # MATLAB keeps the pixels of a matrix of spectra down the columns of the scene.
    spectra = cube.transpose(1, 0, 2).reshape(-1, BANDS).T
    variables = {"cube": cube, "gt": labels, "Y": spectra, "A": abundances, "nRow": np.uint8(ROWS), "nCol": np.uint8(COLUMNS),
                 "names": np.array(["a", "b"], dtype=object), "text": "words", "z": np.array([[1 + 2j]])}
    scipy.io.savemat(folder / "scene_v6.mat", variables, do_compression=False)
    scipy.io.savemat(folder / "scene_v7.mat", variables, do_compression=True)
    with h5py.File(folder / "scene_v73.mat", "w", userblock_size=512) as f:
        for name in ("cube", "gt", "Y", "A"):
            array = np.asarray(variables[name])
            f.create_dataset(name, data=array.transpose(), chunks=True, compression="gzip")
        f["nRow"], f["nCol"] = np.full((1, 1), ROWS, np.uint8), np.full((1, 1), COLUMNS, np.uint8)
    with open(folder / "scene_v73.mat", "r+b") as f:
        f.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    golden = {"rows": ROWS, "columns": COLUMNS, "bands": BANDS, "window": WINDOW, "neighbours": NEIGHBOURS,
              "cube": cube.reshape(-1).tolist(), "labels": labels.reshape(-1).tolist(),
              "largest": abundances.reshape(3, COLUMNS, ROWS).transpose(2, 1, 0).argmax(-1).reshape(-1).tolist(),
              "unknown": [7 % ROWS, 7 // ROWS],
              "tokens": {f"{r},{c}": [[round(x, 6) for x in row] for row in tokens(cube.astype(float), r, c)]
                         for r, c in ((0, 0), (2, 3), (3, 4))}}
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
