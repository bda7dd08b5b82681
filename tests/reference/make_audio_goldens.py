#!/usr/bin/env python3
"""Writes tests/golden/audio.json: log-mel energies by torchaudio and kaldi-native-fbank, patches by PyTorch's Conv2d.

    python3 tests/reference/make_audio_goldens.py > tests/golden/audio.json

The signal is made by the formula below on both sides. Needs numpy, torch, torchaudio, kaldi-native-fbank.
"""
import importlib.util
import json
import pathlib
import sys
import types

import kaldi_native_fbank
import numpy as np
import torch

# The module alone: importing the whole of torchaudio insists on the CUDA that PyTorch was built with.
folder = pathlib.Path(importlib.util.find_spec("torchaudio").origin).parent
sys.modules["torchaudio"] = types.ModuleType("torchaudio")
spec = importlib.util.spec_from_file_location("kaldi", folder / "compliance" / "kaldi.py")
kaldi = importlib.util.module_from_spec(spec)
spec.loader.exec_module(kaldi)
# Its mel scale in double precision too. In float32, in which it is otherwise, mels of 2,840 are 2e-4 apart and weights at
# the edges of filters lose their last digits: up to 2.7e-4 in the logarithm, by nothing but that.
torch.set_default_dtype(torch.float64)

FAMILIES = {
    "ast": dict(rate=16000, bins=128, window="hanning", low=20.0, high=0.0),
    "speech": dict(rate=16000, bins=80, window="povey", low=20.0, high=0.0),
    "narrow": dict(rate=8000, bins=23, window="hamming", low=100.0, high=-200.0),
    "wide": dict(rate=44100, bins=64, window="blackman", low=0.0, high=16000.0),
    "empty_filters": dict(rate=16000, bins=224, window="rectangular", low=20.0, high=0.0),
}


def signal(samples, rate):
    """Two tones, one swelling and one dying, over a floor of linear congruential noise, with an offset."""
    t = np.arange(samples, dtype=np.float64) / rate
    state, noise = 12345, np.empty(samples)
    for i in range(samples):
        state = (1664525 * state + 1013904223) % 2**32
        noise[i] = state / 2**31 - 1
    x = 0.3 * t * np.sin(2 * np.pi * 440 * t) + 0.4 * np.exp(-3 * t) * np.sin(2 * np.pi * 1234.5 * t)
    return (x + 0.01 * noise + 0.05).astype(np.float32)


def torchaudio_fbank(x, rate, bins, window, low, high):
    return kaldi.fbank(
        torch.from_numpy(x)[None].double(), sample_frequency=float(rate), num_mel_bins=bins, window_type=window,
        low_freq=low, high_freq=high, dither=0.0, htk_compat=True, use_energy=False).numpy()


def native_fbank(x, rate, bins, window, low, high):
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = rate
    options.frame_opts.window_type = window
    options.mel_opts.num_bins = bins
    options.mel_opts.low_freq, options.mel_opts.high_freq = low, high
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(rate, x.tolist())
    bank.input_finished()
    return np.array([bank.get_frame(i) for i in range(bank.num_frames_ready)])


def samples_of(values, seed, count=100):
    """[[frame, bin, value], ...] at random places within 60 dB of the frame's maximum."""
    rng = np.random.default_rng(seed)
    near = np.argwhere(values > values.max(axis=1, keepdims=True) - 6 * np.log(10))
    return [[int(f), int(b), round(float(values[f, b]), 5)] for f, b in near[rng.permutation(len(near))[:count]]]


def patches():
    """A spectrogram [frames, bins] = 0.01 ((7 frame + 3 bin) mod 101), 16 x 16 patches at stride 10, two kernels."""
    frames, bins = 57, 40
    spectrogram = torch.tensor([[0.01 * ((7 * f + 3 * b) % 101) for b in range(bins)] for f in range(frames)])
    kernel = torch.tensor([[[[0.001 * ((5 * i + 11 * j + 17 * unit) % 97) for j in range(16)] for i in range(16)]]
                           for unit in range(2)])
    y = torch.nn.functional.conv2d(spectrogram.T[None, None], kernel, stride=10)
    return {"frames": frames, "bins": bins, "grid": list(y.shape[2:]), "tokens": [round(v, 5) for v in y.flatten().tolist()]}


families = {}
for number, (name, options) in enumerate(FAMILIES.items()):
    x = signal(options["rate"], options["rate"])
    made = torchaudio_fbank(x, **options)
    families[name] = dict(options, frames=len(made), torchaudio=samples_of(made, number))
    try:
        families[name]["native"] = samples_of(native_fbank(x, **options), number + 100)
    except ValueError:  # it refuses filters that hold no coefficient
        pass
print(json.dumps({"fbank": families, "patches": patches()}, separators=(",", ":")))
