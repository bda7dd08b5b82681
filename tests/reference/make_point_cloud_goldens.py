#!/usr/bin/env python3
"""Writes tests/golden/point_cloud.json: farthest points by fpsample, neighbours by scikit-learn, and a small PointNet
with its gradients by PyTorch.

    python tests/reference/make_point_cloud_goldens.py > tests/golden/point_cloud.json
"""
import json

import fpsample
import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

torch.manual_seed(5)
rng = np.random.default_rng(5)


def numbers(array):
    return [float(f"{x:.9g}") for x in np.asarray(array, dtype=np.float64).ravel()]


def clouds():
    """A ball, clusters of very different density, and a grid, all of whose distances are ties."""
    ball = rng.normal(size=(200, 3))
    clusters = np.concatenate([rng.normal(c, s, (n, 3)) for c, s, n in ((0, 1, 150), (9, 0.01, 100), (-4, 5, 50))])
    grid = np.stack(np.meshgrid(*[np.arange(5)] * 3), -1).reshape(-1, 3)
    return [("ball", ball), ("clusters", clusters), ("grid", grid)]


def farthest_points(points, count):
    """The plain loop: ties to the lowest number."""
    far = np.full(len(points), np.inf, np.float32)
    chosen = [0]
    while len(chosen) < count:
        d = points - points[chosen[-1]]
        far = np.minimum(far, (d[:, 0] * d[:, 0] + d[:, 1] * d[:, 1]) + d[:, 2] * d[:, 2])
        chosen.append(int(np.argmax(far)))
    return chosen


def cloud_goldens():
    found = []
    for name, points in clouds():
        points = np.round(points, 3).astype(np.float32)
        plain = farthest_points(points, 40)
        if name != "grid":  # whose ties fpsample breaks in its own way
            assert plain == fpsample.fps_sampling(points, 40, start_idx=0).tolist(), name
        distances, _ = NearestNeighbors(n_neighbors=9, algorithm="brute").fit(points).kneighbors(points[plain[:10]])
        found.append({"name": name, "points": numbers(points), "farthest": plain, "distances": numbers(distances)})
    return found


class PointNet(torch.nn.Module):
    def __init__(self, features, a, b, c, width, inner):
        super().__init__()
        conv, norm = torch.nn.Conv2d, torch.nn.BatchNorm2d
        self.conv1, self.norm1 = conv(features, a, 1, bias=False), norm(a)
        self.conv2, self.conv3 = conv(a, b, 1), conv(2 * b, c, 1, bias=False)
        self.norm2, self.conv4 = norm(c), conv(c, width, 1)
        self.position = torch.nn.ModuleDict({"fc1": torch.nn.Linear(3, inner), "fc2": torch.nn.Linear(inner, width)})
        self.cls = torch.nn.Parameter(torch.randn(1, width))
        self.pre_norm = torch.nn.LayerNorm(width)
        torch.nn.init.uniform_(self.pre_norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(self.pre_norm.bias)
        for n in (self.norm1, self.norm2):
            torch.nn.init.uniform_(n.weight, 0.5, 1.5)
            torch.nn.init.normal_(n.bias, 0, 0.3)
            n.running_mean.normal_(0, 0.3)
            n.running_var.uniform_(0.2, 2)

    def forward(self, patches, centers):  # [samples, T, K, F], [samples, T, 3]
        x = patches.permute(0, 3, 1, 2)
        x = self.conv2(torch.relu(self.norm1(self.conv1(x))))
        most = x.max(-1, keepdim=True).values.expand_as(x)
        x = self.conv4(torch.relu(self.norm2(self.conv3(torch.cat([most, x], 1))))).max(-1).values
        place = self.position["fc2"](torch.nn.functional.gelu(self.position["fc1"](centers)))
        tokens = x.transpose(1, 2) + place
        return self.pre_norm(torch.cat([self.cls.expand(len(tokens), -1, -1), tokens], 1))


def network_golden():
    neighbors, features, width = 5, 4, 10
    net = PointNet(features, 6, 7, 9, width, 4).eval()
    patches, centers = torch.randn(2, 3, neighbors, features), torch.randn(2, 3, 3)
    tokens = net(patches, centers)
    slope = torch.randn_like(tokens)
    (tokens * slope).sum().backward()
    tensors = {k: v for k, v in net.state_dict().items() if not k.endswith("num_batches_tracked")}
    return {
        "neighbors": neighbors, "features": features, "width": width,
        "tensors": {k: {"shape": list(v.squeeze().shape) if "conv" in k else list(v.shape), "values": numbers(v)}
                    for k, v in tensors.items()},
        "patches": numbers(patches), "centers": numbers(centers), "tokens": numbers(tokens.detach()),
        "slope": numbers(slope), "gradients": {k: numbers(p.grad) for k, p in net.named_parameters()},
    }


def parameter_counts():
    net = PointNet(3, 128, 256, 512, 768, 128)
    position = sum(p.numel() for p in net.position.parameters())
    frame = sum(p.numel() for p in net.pre_norm.parameters()) + net.cls.numel()
    return {"position": position, "tokenizer": sum(p.numel() for p in net.parameters()) - position - frame}


print(json.dumps({"clouds": cloud_goldens(), "network": network_golden(), "parameters": parameter_counts()}))
