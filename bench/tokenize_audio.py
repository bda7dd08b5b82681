#!/usr/bin/env python3
"""Log-mel frames per core: mt-tokenize audio --frames beside kaldi-native-fbank and torchaudio, in one run.

    MT_BIN=build/release/bin python3 bench/tokenize_audio.py

Needs numpy, kaldi-native-fbank; torch and torchaudio where they are there. The program's time has reading the files and
writing the frames in it; the references get samples that are in memory already.
"""
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import types
import wave

import kaldi_native_fbank
import numpy as np

os.environ["OMP_NUM_THREADS"] = "1"
FILES, SECONDS, RATE, BINS = 60, 60, 16000, 80
program = str(pathlib.Path(os.environ.get("MT_BIN", "build/release/bin")) / "mt-tokenize")
rng = np.random.default_rng(1)
signals = [(rng.standard_normal(RATE * SECONDS) * 3000).astype(np.int16) for _ in range(FILES)]
frames = FILES * (1 + (RATE * SECONDS - 400) // 160)


def best(work, rounds=3):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def native():
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = BINS
    for signal in signals:
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(RATE, signal.astype(np.float32) / 32768)
        bank.input_finished()
        assert bank.num_frames_ready > 0


def torchaudio_module():
    spec = importlib.util.find_spec("torchaudio")
    if spec is None or importlib.util.find_spec("torch") is None:
        return None
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    path = pathlib.Path(spec.origin).parent / "compliance" / "kaldi.py"
    spec = importlib.util.spec_from_file_location("kaldi", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(name, seconds):
    print(f"| {name} | {seconds / frames * 1e6:.2f} us a frame | {FILES * SECONDS / seconds:.0f} s of sound a second |")


with tempfile.TemporaryDirectory() as folder:
    for i, signal in enumerate(signals):
        with wave.open(f"{folder}/{i}.wav", "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
            file.writeframes(signal.tobytes())
    command = [program, "audio", folder, "--frames", "--bins", str(BINS), "--window-shape", "povey", "--threads", "1",
               "--quiet", "--force", "-o", f"{folder}/frames.h5"]
    print(f"| {FILES} recordings of {SECONDS} s, {BINS} bins, one core | | |\n|---|---|---|")
    row("mt-tokenize audio --frames, files to file", best(lambda: subprocess.run(command, check=True)))
    row("kaldi-native-fbank, in memory", best(native))
    if (kaldi := torchaudio_module()) is not None:
        import torch
        torch.set_num_threads(1)
        tensors = [torch.from_numpy(s.astype(np.float32) / 32768)[None] for s in signals]
        row("torchaudio.compliance.kaldi.fbank, in memory",
            best(lambda: [kaldi.fbank(x, num_mel_bins=BINS, dither=0.0) for x in tensors]))
