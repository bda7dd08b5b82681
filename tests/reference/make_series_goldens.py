#!/usr/bin/env python3
"""Writes tests/golden/series.json: embeddings of time series by PyTorch, calendar features by pandas.

    python tests/reference/make_series_goldens.py > tests/golden/series.json

DataEmbedding and PatchEmbedding are re-stated from the definitions of the Time-Series-Library (layers/Embed.py, MIT);
IMU blocks from ImageBind (an unfold, a linear map without bias, a LayerNorm), IMU convolution from OneLLM (a Conv1d).
"""
import json
import math
import sys

import numpy as np
import pandas as pd
import torch
from torch import nn

STEPS, CHANNELS, WIDTH = 21, 3, 8


class PositionalEmbedding(nn.Module):
    def __init__(self, d_model, max_len=5000):
        super().__init__()
        pe = torch.zeros(max_len, d_model)
        position = torch.arange(0, max_len).float().unsqueeze(1)
        div_term = (torch.arange(0, d_model, 2).float() * -(math.log(10000.0) / d_model)).exp()
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return self.pe[:, :x.size(1)]


class TokenEmbedding(nn.Module):
    def __init__(self, c_in, d_model):
        super().__init__()
        self.tokenConv = nn.Conv1d(c_in, d_model, kernel_size=3, padding=1, padding_mode="circular", bias=False)

    def forward(self, x):
        return self.tokenConv(x.permute(0, 2, 1)).transpose(1, 2)


class TimeFeatureEmbedding(nn.Module):
    def __init__(self, d_model):
        super().__init__()
        self.embed = nn.Linear(4, d_model, bias=False)  # freq "h"

    def forward(self, x):
        return self.embed(x)


class DataEmbedding(nn.Module):
    def __init__(self, c_in, d_model):
        super().__init__()
        self.value_embedding = TokenEmbedding(c_in, d_model)
        self.position_embedding = PositionalEmbedding(d_model)
        self.temporal_embedding = TimeFeatureEmbedding(d_model)

    def forward(self, x, x_mark):
        if x_mark is None:
            return self.value_embedding(x) + self.position_embedding(x)
        return self.value_embedding(x) + self.temporal_embedding(x_mark) + self.position_embedding(x)


class PatchEmbedding(nn.Module):
    def __init__(self, d_model, patch_len=16, stride=8):
        super().__init__()
        self.patch_len, self.stride = patch_len, stride
        self.padding_patch_layer = nn.ReplicationPad1d((0, stride))
        self.value_embedding = nn.Linear(patch_len, d_model, bias=False)
        self.position_embedding = PositionalEmbedding(d_model)

    def forward(self, x):  # [batch, channels, steps]
        x = self.padding_patch_layer(x)
        x = x.unfold(dimension=-1, size=self.patch_len, step=self.stride)
        x = torch.reshape(x, (x.shape[0] * x.shape[1], x.shape[2], x.shape[3]))
        return self.value_embedding(x) + self.position_embedding(x)


def time_features(dates):
    """utils/timefeatures.py of the library for freq "h"."""
    index = pd.DatetimeIndex(dates)
    return np.stack([index.hour / 23.0 - 0.5, index.day_of_week / 6.0 - 0.5, (index.day - 1) / 30.0 - 0.5,
                     (index.day_of_year - 1) / 365.0 - 0.5], axis=1)


def numbers(tensor):
    return [float(f"{float(x):.9g}") for x in torch.as_tensor(tensor).detach().reshape(-1).float()]


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def main():
    torch.manual_seed(11)
    series = torch.randn(1, STEPS, CHANNELS)
    dates = [str(d) for d in pd.date_range("2019-12-31 19:00", periods=STEPS, freq="h")]
    marks = torch.tensor(time_features(dates), dtype=torch.float32)[None]
    golden = {"steps": STEPS, "channels": CHANNELS, "width": WIDTH, "series": numbers(series), "dates": dates}

    step = DataEmbedding(CHANNELS, WIDTH)
    golden["step"] = {"weight": numbers(step.value_embedding.tokenConv.weight),
                      "calendar": numbers(step.temporal_embedding.embed.weight),
                      "dated": numbers(step(series, marks)), "plain": numbers(step(series, None))}
    patch = PatchEmbedding(WIDTH)
    golden["patch"] = {"weight": numbers(patch.value_embedding.weight),
                       "rows": numbers(patch.value_embedding(patch.padding_patch_layer(series.transpose(1, 2))
                                                             .unfold(-1, 16, 8).reshape(CHANNELS, -1, 16))),
                       "tokens": numbers(patch(series.transpose(1, 2)))}
    block, norm = nn.Linear(8 * CHANNELS, WIDTH, bias=False), nn.LayerNorm(WIDTH)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    blocks = series.transpose(1, 2).unfold(-1, 8, 8).permute(0, 2, 1, 3).reshape(1, -1, 8 * CHANNELS)
    golden["block"] = {"weight": numbers(block.weight), "gain": numbers(norm.weight), "bias": numbers(norm.bias),
                       "tokens": numbers(norm(block(blocks)))}
    conv = nn.Conv1d(CHANNELS, WIDTH, kernel_size=10, stride=1, bias=False)
    golden["conv"] = {"weight": numbers(conv.weight), "tokens": numbers(conv(series.transpose(1, 2)).transpose(1, 2))}

    days = ["2016-07-01 00:00", "2016-02-29 23:59", "2000-12-31 12:00", "1999-01-01 05:30", "2023-10-29 02:00",
            "1969-12-31 23:00", "2100-03-01 00:00"]
    golden["calendar"] = {"dates": days, "features": numbers(torch.tensor(time_features(days)))}
    golden["parameters"] = {str(c): parameters(DataEmbedding(c, 768)) for c in (7, 8, 21, 862)}
    json.dump(golden, sys.stdout)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
