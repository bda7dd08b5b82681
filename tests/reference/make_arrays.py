#!/usr/bin/env python3
"""Writes tests/golden/arrays: small NumPy and IDX files whose contents the tests know.

    pip install numpy
    python3 tests/reference/make_arrays.py

Pixel (row, column) of grey picture i is (50 i + 10 row + column) mod 256; channel c of a colour picture adds 100 c.
"""

import gzip
import pathlib
import struct

import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "arrays"
N, H, W = 5, 4, 6


def pictures(channels=None):
    i, r, c = np.mgrid[0:N, 0:H, 0:W]
    grey = 50 * i + 10 * r + c
    if channels is None:
        return (grey % 256).astype(np.uint8)
    return np.stack([(grey + 100 * k) % 256 for k in range(channels)], axis=-1).astype(np.uint8)


def idx(array):
    kinds = {"uint8": 8, "int16": 11, "float32": 13}
    head = struct.pack(">BBBB", 0, 0, kinds[array.dtype.name], array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    grey, rgb, labels = pictures(), pictures(3), np.array([7, 10, 7, 2, 10], np.uint8)
    (OUT / "t-images-idx3-ubyte").write_bytes(idx(grey))
    (OUT / "t-labels-idx1-ubyte").write_bytes(idx(labels))
    (OUT / "g-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(grey), mtime=0))
    (OUT / "g-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels), mtime=0))
    (OUT / "int16.idx").write_bytes(idx(grey.astype(np.int16) - 100))
    np.save(OUT / "grey.npy", grey)
    np.save(OUT / "nhwc.npy", rgb)
    np.save(OUT / "nchw.npy", np.moveaxis(rgb, 3, 1))
    np.save(OUT / "one_grey.npy", grey[2])
    np.save(OUT / "one_rgb.npy", rgb[2])
    np.save(OUT / "fortran.npy", np.asfortranarray(rgb))
    np.save(OUT / "big_endian16.npy", grey.astype(">u2") * 257)
    np.save(OUT / "float64.npy", grey / 255.0)
    np.save(OUT / "bool.npy", grey > 100)
    np.savez(OUT / "stored.npz", x_train=grey, y_train=labels.astype(np.int64), x_test=grey[:2], y_test=labels[:2])
    np.savez_compressed(OUT / "compressed.npz", images=rgb, labels=np.array(["dog", "cat", "dog", "owl", "cat"]).reshape(N, 1))
    np.savez(OUT / "objects.npz", pictures=grey, names=np.array([{"a": 1}], dtype=object))
    print(sum(f.stat().st_size for f in OUT.iterdir()), "bytes")


main()
