#!/usr/bin/env python3
"""Writes tests/golden/heads.json: what scikit-learn and PyTorch make of scikit-learn's wine data (178 x 13, 3 classes).

    python3 tests/reference/make_head_goldens.py > tests/golden/heads.json

Even rows train, odd rows are scored. Needs numpy, scikit-learn, torch.
"""
import json
import sys

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import StandardScaler

features, labels = load_wine(return_X_y=True)
features = features.astype(np.float32)
train, test = slice(0, None, 2), slice(1, None, 2)
scaler = StandardScaler().fit(features[train].astype(np.float64))
x, xt = scaler.transform(features[train].astype(np.float64)), scaler.transform(features[test].astype(np.float64))
y, yt = labels[train], labels[test]


def rounded(values, digits=9):
    return np.round(np.asarray(values, dtype=np.float64), digits).ravel().tolist()


def logistic(l2, keep=slice(None), **options):
    """Mean loss + l2 / 2 |w|^2: C = 1 / (l2 * sum of sample weights); balanced weights sum to n."""
    model = LogisticRegression(C=1 / (l2 * len(y[keep])), tol=1e-12, max_iter=100000, **options).fit(x[keep], y[keep])
    return model


def logistic_entry(l2, **options):
    model = logistic(l2, **options)
    return {
        "l2": l2,
        "weight": rounded(model.coef_),
        "bias": rounded(model.intercept_),
        "train_loss": log_loss(y, model.predict_proba(x)),
        "test_loss": log_loss(yt, model.predict_proba(xt)),
    }


def binary_entry(l2):
    """Two classes: scikit-learn has one logit. Ours has two, w and -w: the same optimum with l2 = 2 * theirs."""
    model = logistic(l2 / 2, keep=y < 2)
    return {"l2": l2, "difference": rounded(model.coef_), "bias": rounded(model.intercept_)}


def neighbours(**options):
    model = KNeighborsClassifier(algorithm="brute", **options).fit(x, y)
    return rounded(model.predict_proba(xt))


def network():
    """Logits, loss and gradients of 13 -> 8 -> 3 with GELU, smoothing and class weights, and what optimisers make of it."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(13, 8), torch.nn.GELU(), torch.nn.Linear(8, 3)).double()
    first = [p.detach().clone() for p in model.parameters()]
    inputs, targets = torch.tensor(x), torch.tensor(y)
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 0.5]).double(), label_smoothing=0.1)
    result = {"parameters": [rounded(p) for p in first]}
    logits = model(inputs)
    loss = loss_of(logits, targets)
    loss.backward()
    result["logits"] = rounded(logits.detach()[:5])
    result["loss"] = loss.item()
    result["gradients"] = [rounded(p.grad) for p in model.parameters()]
    decays = lambda: [  # noqa: E731 - biases do not decay
        {"params": [p for p in model.parameters() if p.dim() == 2], "weight_decay": 0.05},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    for name, make in {
        "adamw": lambda: torch.optim.AdamW(decays(), lr=0.01),
        "sgd": lambda: torch.optim.SGD(decays(), lr=0.1, momentum=0.9),
    }.items():
        with torch.no_grad():
            for p, value in zip(model.parameters(), first):
                p.copy_(value)
        optimiser = make()
        losses = []
        for _ in range(10):
            optimiser.zero_grad()
            loss = loss_of(model(inputs), targets)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        result[name] = {"losses": losses, "parameters": [rounded(p.detach()) for p in model.parameters()]}
    return result


json.dump(
    {
        "features": rounded(features, 6),
        "width": features.shape[1],
        "labels": labels.tolist(),
        "mean": rounded(scaler.mean_),
        "deviation": rounded(scaler.scale_),
        "logistic": [logistic_entry(l2) for l2 in (1e-1, 1e-2, 1e-4)],
        "balanced": logistic_entry(1e-2, class_weight="balanced"),
        "binary": binary_entry(1e-2),
        "centroid": NearestCentroid().fit(x, y).predict(xt).tolist(),
        "knn": {
            "uniform": neighbours(n_neighbors=5),
            "distance": neighbours(n_neighbors=7, weights="distance"),
            "cosine": neighbours(n_neighbors=5, metric="cosine"),
        },
        "network": network(),
    },
    sys.stdout,
    separators=(",", ":"),
)
print()
