#!/usr/bin/env python3
"""Log-mel frames per core: mt-tokenize audio --frames beside kaldi-native-fbank and torchaudio.

    MT_BIN=build/release/bin python3 bench/tokenize_audio.py

All read the files and write the frames.
Needs numpy, kaldi-native-fbank, torch, torchaudio.
"""
import importlib.util
import pathlib
import sys
import tempfile
import types
import wave

import beside
import kaldi_native_fbank
import numpy as np
import torch

FILES, SECONDS, RATE, BINS = 40, 60, 16000, 80
rng = np.random.default_rng(1)
signals = [(rng.standard_normal(RATE * SECONDS) * 3000).astype(np.int16) for _ in range(FILES)]
frames = FILES * (1 + (RATE * SECONDS - 400) // 160)
torch.set_num_threads(1)


def samples(folder):
    for i in range(FILES):
        with wave.open(f"{folder}/{i}.wav") as file:
            yield np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768


def native(folder):
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.mel_opts.num_bins = BINS
    for signal in samples(folder):
        bank = kaldi_native_fbank.OnlineFbank(options)
        bank.accept_waveform(RATE, signal)
        bank.input_finished()
        yield np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])


def torchaudio_fbank():
    """torchaudio.compliance.kaldi alone: the package around it wants libraries that match torch's build."""
    path = pathlib.Path(importlib.util.find_spec("torchaudio").origin).parent / "compliance" / "kaldi.py"
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    spec = importlib.util.spec_from_file_location("kaldi", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.fbank


fbank = torchaudio_fbank()
with tempfile.TemporaryDirectory() as folder:
    for i, signal in enumerate(signals):
        with wave.open(f"{folder}/{i}.wav", "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
            file.writeframes(signal.tobytes())
    beside.compare(f"{FILES} recordings of {SECONDS} s, {BINS} bins", frames, "frames", {
        "mt-tokenize audio --frames, files to file": lambda: beside.tokenize(
            "audio", folder, "--frames", "--bins", BINS, "--window-shape", "povey", "-o", f"{folder}/frames.h5"),
        "kaldi-native-fbank, files to file": lambda: np.save(f"{folder}/x.npy", np.concatenate(list(native(folder)))),
        "torchaudio.compliance.kaldi, files to file": lambda: np.save(f"{folder}/y.npy", torch.cat([
            fbank(torch.from_numpy(s)[None], num_mel_bins=BINS, dither=0.0) for s in samples(folder)]).numpy())})
