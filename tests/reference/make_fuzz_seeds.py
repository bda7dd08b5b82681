#!/usr/bin/env python3
"""Seeds of the fuzzers whose formats the tests have no small files of: FOLDER/video, audio, hdf5, table.

    python3 tests/reference/make_fuzz_seeds.py FOLDER
    build/fuzz/bin/fuzz_read_audio -max_len=4096 -runs=100000 CORPUS FOLDER/audio

A fuzzer is as fast as its seeds are small: a video has four frames of 16 x 16, a recording 20 ms. Needs ffmpeg, numpy, h5py.
"""
import pathlib
import subprocess
import sys

import h5py
import numpy as np

folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else sys.exit(__doc__))
random = np.random.default_rng(0)


def ffmpeg(source, path, *options):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *options, str(path)], check=True)


def videos(out):
    slow, mpeg4 = ["-r", "25"], ["-c:v", "mpeg4", "-q:v", "31"]
    files = {
        "h264.mp4": ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "50", "-x264-params", "bframes=1"], "mpeg4.mp4": mpeg4,
        "mpeg4.mkv": mpeg4, "vp8.webm": ["-c:v", "libvpx", "-b:v", "1k"], "vp9.webm": ["-c:v", "libvpx-vp9", "-b:v", "1k"],
        "mpeg4.avi": mpeg4, "mjpeg.avi": ["-c:v", "mjpeg", "-q:v", "31"], "raw.avi": ["-c:v", "rawvideo", "-pix_fmt", "gray"],
        "flv1.flv": ["-c:v", "flv1", "-q:v", "31"], "theora.ogv": ["-c:v", "libtheora", "-q:v", "1"],
        "wmv2.wmv": ["-c:v", "wmv2", "-q:v", "31"], "mpeg1.mpg": ["-c:v", "mpeg1video", *slow],
        "mpeg1.ts": ["-c:v", "mpeg1video", *slow], "h264.h264": ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "50"],
        "mpeg4.m4v": mpeg4, "mpeg4.nut": mpeg4, "vp8.ivf": ["-c:v", "libvpx", "-b:v", "1k"], "png.mov": ["-c:v", "png"]}
    for name, options in files.items():
        ffmpeg("testsrc=size=16x16:rate=5:duration=0.8", out / name, *options)
    for name, options in {"a.y4m": ["-pix_fmt", "yuv420p"], "b.y4m": ["-pix_fmt", "gray"], "a.gif": []}.items():
        ffmpeg("testsrc=size=8x8:rate=5:duration=0.4", out / name, *options)


def recordings(out):
    files = {f"{codec}.wav": ["-c:a", codec] for codec in (
        "pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw", "adpcm_ms",
        "adpcm_ima_wav")}
    files |= {
        "stereo.wav": ["-ac", "2"], "rf64.wav": ["-rf64", "always"], "a.w64": [], "a.voc": [], "a.aiff": [], "a.au": [],
        "alaw.aifc": ["-f", "aiff", "-c:a", "pcm_alaw"], "mulaw.au": ["-c:a", "pcm_mulaw"], "pcm.caf": ["-c:a", "pcm_s16le"],
        "alac.caf": ["-c:a", "alac"], "a.flac": [], "vorbis.ogg": ["-c:a", "libvorbis"], "a.opus": ["-c:a", "libopus"],
        "a.mp3": ["-c:a", "libmp3lame", "-b:a", "8k"]}
    for name, options in files.items():
        ffmpeg("sine=frequency=440:sample_rate=8000:duration=0.02", out / name, *options)


def clouds(f):
    f["data"] = random.normal(size=(2, 4, 3)).astype("f4")
    f["label"] = np.array([[0], [1]], "u1")


def packed_clouds(f):
    f.create_dataset("data", data=random.normal(size=(2, 4, 3)).astype("f4"), chunks=(1, 4, 3), compression="gzip", shuffle=True)
    f.create_dataset("label", data=np.array([0, 1]), chunks=(1,), fletcher32=True)


def scene(f):
    f["cube"] = random.normal(size=(3, 4, 5))
    f["cube"].attrs["MATLAB_class"] = np.bytes_("double")
    f["nRow"], f["nCol"] = np.array([[5.0]]), np.array([[4.0]])
    f["Y"] = random.integers(0, 9, (20, 3)).astype("u2")


def odd_members(f):
    f["points"] = random.integers(0, 9, (2, 3, 3)).astype("i2")
    f["label"] = np.array([b"a", b"bc"], "S2")
    f.create_group("#refs#")
    f["soft"], f["elsewhere"] = h5py.SoftLink("/points"), h5py.ExternalLink("other.h5", "/a")
    f["compound"] = np.zeros(2, [("a", "i4"), ("b", "f8")])
    f.create_dataset("texts", data=["x", "y"], dtype=h5py.string_dtype())
    f.create_dataset("growing", data=np.zeros((2, 2, 3)), maxshape=(None, 2, 3), chunks=(1, 2, 3))


def hdf5(out):
    layouts = {"oldest": {}, "newest": {"libver": ("v110", "v110")}, "matlab": {"userblock_size": 512}}
    for make in (clouds, packed_clouds, scene, odd_members):
        for layout, options in layouts.items():
            with h5py.File(out / f"{make.__name__}_{layout}.h5", "w", **options) as f:
                make(f)


def tables(out):
    texts = [b"\x00a,b,c\n1,x,2.5\n2,\"y,z\",NA\n,x,-1e3\n", b"\x10a;b\n1;2\n3;4\n5;?\n", b"\x01a\tb\n1\t2\n\n3\t4\n",
             b"\x46skip\na,b\n\"q\"\"r\",1\n\"two\nlines\",2\n", b"\x12\xef\xbb\xbfa,a,\n1,2,3\nx,nan,inf\n",
             b"\x13\na|b\n1|\n|2\n", b"\x00a\r\n1\r\n2\r\n0x10\r\n", b"\x17a,b\n1,2,3\n1,2\n\xff,3\n"]
    for number, text in enumerate(texts):
        (out / str(number)).write_bytes(text)


for name, make in {"video": videos, "audio": recordings, "hdf5": hdf5, "table": tables}.items():
    (folder / name).mkdir(parents=True, exist_ok=True)
    make(folder / name)
