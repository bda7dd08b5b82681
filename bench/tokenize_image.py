#!/usr/bin/env python3
"""Pictures per core: mt-tokenize image --patches beside Pillow and NumPy.

    MT_BIN=build/release/bin python3 bench/tokenize_image.py PICTURE...

Both decode, resize the shorter side to 224 with a bicubic filter, crop, normalise, cut into patches of 16 and write these. The
patches are compared. Needs numpy, pillow, h5py.
"""
import sys
import tempfile

import beside
import h5py
import numpy as np
from PIL import Image

SIDE, PATCH = 224, 16
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
pictures = sys.argv[1:] or sys.exit(__doc__)


def reference(path):
    image = Image.open(path).convert("RGB")
    width, height = image.size
    size = (SIDE, int(SIDE * height / width)) if width <= height else (int(SIDE * width / height), SIDE)
    image = image.resize(size, Image.BICUBIC)
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    pixels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), np.float32) / 255
    grid = SIDE // PATCH
    pixels = ((pixels - MEAN) / STD).reshape(grid, PATCH, grid, PATCH, 3)
    return pixels.transpose(0, 2, 4, 1, 3).reshape(grid * grid, -1).copy()


with tempfile.TemporaryDirectory() as folder:
    beside.compare(f"{len(pictures)} pictures to {SIDE} x {SIDE}", len(pictures), "pictures", {
        "mt-tokenize image --patches, files to file": lambda: beside.tokenize(
            "image", *pictures, "--preset", "clip", "--patches", "--patch-type", "float32", "-o", f"{folder}/x.h5"),
        "Pillow and NumPy, files to file": lambda: np.save(f"{folder}/x.npy", np.stack([reference(p) for p in pictures]))})
    patches = np.load(f"{folder}/x.npy")
    with h5py.File(f"{folder}/x.h5") as file:
        difference = np.abs(file["patches"][:] - patches.reshape(-1, patches.shape[2])).max()
print(f"  largest difference of patches {difference:.3f}")
