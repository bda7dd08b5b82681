#!/usr/bin/env python3
"""Tubelets per core: mt-tokenize video --patches beside the ffmpeg program, Pillow and NumPy.

    MT_BIN=build/release/bin python3 bench/tokenize_video.py VIDEO...

Both decode with one thread, take 16 frames of each video, resize the shorter side to 224 with Pillow's bicubic filter, crop,
normalise, cut and write the tubelets. Needs ffmpeg and ffprobe, numpy, pillow.
"""
import subprocess
import sys
import tempfile

import beside
import numpy as np
from PIL import Image

FRAMES, SIDE, PATCH, TUBELET = 16, 224, 16, 2
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
videos = sys.argv[1:] or sys.exit(__doc__)


def probe(path):
    text = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-count_packets", "-show_entries",
                           "stream=width,height,nb_read_packets", "-of", "csv=p=0", path], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return list(map(int, text.strip().strip(",").split(",")))


def prepared(frame):
    image = Image.fromarray(frame)
    width, height = image.size
    size = (SIDE, int(SIDE * height / width)) if width <= height else (int(SIDE * width / height), SIDE)
    image = image.resize(size, Image.BICUBIC)
    left, top = round((size[0] - SIDE) / 2), round((size[1] - SIDE) / 2)
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def reference(path):
    width, height, n = probe(path)
    wanted = {(2 * i + 1) * n // (2 * FRAMES) for i in range(FRAMES)}
    select = "+".join(f"eq(n\\,{i})" for i in sorted(wanted))
    raw = subprocess.run(["ffmpeg", "-v", "error", "-threads", "1", "-i", path, "-vf", f"select={select}", "-vsync", "0",
                          "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], check=True, stdout=subprocess.PIPE).stdout
    clip = np.stack([prepared(f) for f in np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)])
    clip = (clip.astype(np.float32) / 255 - MEAN) / STD
    grid = SIDE // PATCH
    return clip.reshape(FRAMES // TUBELET, TUBELET, grid, PATCH, grid, PATCH, 3).transpose(0, 2, 4, 6, 1, 3, 5).copy()


with tempfile.TemporaryDirectory() as folder:
    beside.compare(f"{len(videos)} videos, {FRAMES} frames of {SIDE} x {SIDE}", len(videos), "videos", {
        "mt-tokenize video --patches, files to file": lambda: beside.tokenize("video", *videos, "--patches", "-o",
                                                                              f"{folder}/x.h5"),
        "ffmpeg, Pillow, NumPy, files to file": lambda: np.save(f"{folder}/x.npy",
                                                                np.stack([reference(path) for path in videos]))})
