#!/usr/bin/env python3
"""Writes tests/golden/video/: small clips, and clips.json: what the ffmpeg program makes of their frames, and tubelets by
PyTorch's Conv3d.

    python3 tests/reference/make_video_goldens.py

Needs ffmpeg (libx264, libvpx), numpy, torch.
"""
import json
import pathlib
import subprocess

import numpy as np
import torch

FOLDER = pathlib.Path(__file__).parent.parent / "golden" / "video"
SIZE = (64, 48)
SOURCE = ["-f", "lavfi", "-i", f"testsrc2=size={SIZE[0]}x{SIZE[1]}:rate=10:duration=1.2"]
CLIPS = {
    "b_frames.mp4": SOURCE + ["-c:v", "libx264", "-g", "5", "-bf", "2", "-crf", "35", "-pix_fmt", "yuv420p"],
    "bt709.mp4": SOURCE + ["-c:v", "libx264", "-crf", "35", "-pix_fmt", "yuv444p", "-color_range", "pc",
                           "-colorspace", "bt709", "-vf", "scale=out_color_matrix=bt709:out_range=pc"],
    "mpeg4.avi": SOURCE + ["-c:v", "mpeg4", "-q:v", "15", "-g", "6"],
    "vp9.webm": SOURCE + ["-c:v", "libvpx-vp9", "-crf", "50", "-b:v", "0"],
    # Frames 0 to 4 at ten a second, the rest at two: a clock that jumps.
    "variable.mkv": SOURCE + ["-vf", "setpts='if(lt(N,5),N,5+(N-5)*5)/10/TB'", "-vsync", "vfr", "-c:v", "libx264",
                              "-crf", "40", "-pix_fmt", "yuv420p"],
    "animated.gif": SOURCE + ["-r", "5"],
    "planes.y4m": SOURCE + ["-frames:v", "3", "-pix_fmt", "yuv420p"],
    "deep.y4m": SOURCE + ["-frames:v", "2", "-pix_fmt", "yuv422p10le", "-strict", "-1"],
}


def ffmpeg(*arguments):
    return subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments], check=True, stdout=subprocess.PIPE).stdout


def frames_of(path, *options):
    shape = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height",
                            "-of", "csv=p=0", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    width, height = map(int, shape.strip().split(",")[:2])
    raw = ffmpeg(*options, "-i", path, "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def times_of(path):
    text = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=best_effort_timestamp_time",
                           "-of", "csv=p=0", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    times = [float(line.strip(",")) for line in text.split()]
    return [round(t - times[0], 4) for t in times]


def pixels(frames, rng):
    """[[frame, row, column, r, g, b], ...]"""
    n, height, width = frames.shape[:3]
    places = [(f, int(rng.integers(height)), int(rng.integers(width))) for f in range(n) for _ in range(8)]
    return [[f, y, x, *map(int, frames[f, y, x])] for f, y, x in places]


def tubelets():
    """Two tubelets of 2 x 16 x 16 of 4 frames 16 x 16 whose pixel is (13 f + 7 y + 3 x + 5 c) mod 256; two kernels."""
    f, y, x, c = np.meshgrid(*map(np.arange, (4, 16, 16, 3)), indexing="ij")
    video = ((13 * f + 7 * y + 3 * x + 5 * c) % 256 / 255).astype(np.float32)
    kernel = torch.tensor([[[[[0.001 * ((5 * c + 11 * t + 3 * i + 7 * j + 17 * unit) % 97) for j in range(16)]
                              for i in range(16)] for t in range(2)] for c in range(3)] for unit in range(2)])
    y = torch.nn.functional.conv3d(torch.from_numpy(video.transpose(3, 0, 1, 2))[None], kernel, stride=(2, 16, 16))
    return [round(v, 5) for v in y.flatten().tolist()]  # [unit, time]


FOLDER.mkdir(exist_ok=True)
rng = np.random.default_rng(7)
golden = {"clips": {}, "tubelets": tubelets()}
for name, arguments in CLIPS.items():
    path = str(FOLDER / name)
    ffmpeg(*arguments, "-fflags", "+bitexact", "-flags:v", "+bitexact", path)
    golden["clips"][name] = {"times": times_of(path), "pixels": pixels(frames_of(path), rng)}
# The same stream, said to lie on its side.
ffmpeg("-i", str(FOLDER / "b_frames.mp4"), "-c", "copy", "-metadata:s:v:0", "rotate=90", str(FOLDER / "rotated.mp4"))
turned = ffmpeg("-i", str(FOLDER / "rotated.mp4"), "-vsync", "0", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
turned = np.frombuffer(turned, np.uint8).reshape(-1, SIZE[0], SIZE[1], 3)
golden["clips"]["rotated.mp4"] = {"times": times_of(str(FOLDER / "rotated.mp4")), "pixels": pixels(turned, rng)}
# A width that is no multiple of the blocks in which pixels are converted; the last column of the last row counts.
path = str(FOLDER / "odd.mp4")
ffmpeg("-f", "lavfi", "-i", "testsrc2=size=34x30:rate=10:duration=0.3", "-c:v", "libx264", "-crf", "35", "-pix_fmt", "yuv420p",
       "-fflags", "+bitexact", "-flags:v", "+bitexact", path)
frames = frames_of(path)
edges = [[f, y, x, *map(int, frames[f, y, x])] for f in range(len(frames)) for y in (0, 17, 29) for x in (26, 28, 31, 33)]
golden["clips"]["odd.mp4"] = {"times": times_of(path), "pixels": edges}
(FOLDER / "clips.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")
