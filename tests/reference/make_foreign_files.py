#!/usr/bin/env python3
"""Sample files as other people write them with h5py: tests/golden/foreign/*.h5.

Just the required names, in types that are not ours: variable-length strings, any integer and float width, either byte
order. Run: python3 tests/reference/make_foreign_files.py (h5py)
"""

import pathlib

import h5py
import numpy as np

here = pathlib.Path(__file__).resolve().parent.parent / "golden" / "foreign"
here.mkdir(parents=True, exist_ok=True)

# Nothing but what mt-format(5) asks for, each in h5py's own default type.
with h5py.File(here / "minimal_tokens.h5", "w") as f:
    f.attrs["mt_kind"] = "tokens"
    f.attrs["mt_format"] = 1
    f["tokens"] = np.arange(24, dtype=np.float64).reshape(6, 4) / 4
    f["offsets"] = np.array([0, 2, 2, 6], dtype=np.uint16)
    f["ids"] = ["a", "größer", "c"]

# Everything optional, compressed, in the widest and the narrowest types, resizable.
with h5py.File(here / "compressed_features.h5", "w") as f:
    f.attrs["mt_kind"] = np.bytes_("features")
    f.attrs["mt_format"] = np.uint8(1)
    f.attrs["mt_config"] = '{"modality": "audio"}'
    kwargs = dict(compression="gzip", shuffle=True, fletcher32=True, chunks=True)
    f.create_dataset("features", data=np.arange(20, dtype=np.float16).reshape(5, 4), maxshape=(None, 4), **kwargs)
    f["ids"] = np.array([b"one", b"two", b"three", b"four", b"five"])
    f["labels"] = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
    f["label_names"] = ["cat", "dog", "fox"]
    f["targets"] = np.array([1, 0, 0, 1, 1], dtype=np.int64)
    rejected = np.dtype([("id", h5py.string_dtype()), ("index", np.int32), ("reason", h5py.string_dtype())])
    f["rejected"] = np.array([("bad", 5, "it is cut"), ("worse", 6, "größer")], dtype=rejected)

# Written on a big-endian machine.
with h5py.File(here / "big_endian.h5", "w", libver=("v110", "v110")) as f:
    f.attrs["mt_kind"] = "tokens"
    f.attrs["mt_format"] = np.array([1], dtype=">i4")
    f["tokens"] = np.arange(12, dtype=">f4").reshape(3, 4)
    f["tokens"].attrs["prefix"] = np.int8(1)
    f["tokens"].attrs["positions"] = False
    f["offsets"] = np.array([0, 1, 3], dtype=">u8")
    f["index"] = np.array([4, 9], dtype=">i8")
    f["codes"] = np.array([[1, -2], [3, 4], [5, 6]], dtype=">i2")
    f["ids"] = np.array(["x", "y"], dtype="S1")

# Tokens that an 8-wide encoder takes, of two kinds of samples; the second and third file say nothing that tells them apart.
def eight_wide(name, lengths, seed):
    rows = np.random.default_rng(seed).normal(size=(sum(lengths), 8))
    with h5py.File(here / name, "w") as f:
        f.attrs["mt_kind"] = "tokens"
        f.attrs["mt_format"] = 1
        f["tokens"] = rows.astype(np.float16)
        f["offsets"] = np.cumsum([0] + lengths).astype(np.int32)
        f["ids"] = [f"sample {i}" for i in range(len(lengths))]


eight_wide("encodable_tokens.h5", [3, 1, 7, 2], 1)
eight_wide("other_tokens.h5", [3, 1, 7, 2], 2)
