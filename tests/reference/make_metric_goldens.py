"""Writes tests/golden/metrics.json: what scikit-learn and NumPy say about arrays that tests/evaluate repeats.

    python tests/reference/make_metric_goldens.py > tests/golden/metrics.json

The arrays come from 32-bit integer arithmetic and one float64 division rounded to float32, so that C++ makes the same
bits: see tests/evaluate/golden_case.h.
"""

import json
import warnings

import numpy
import sklearn
from sklearn import metrics

CASES = [
    # name, samples, classes, levels of the raw scores, bonus of the true class, classes without samples, never predicted
    ("binary", 200, 2, 1000, 300, [], []),
    ("binary with ties", 150, 2, 4, 1, [], []),
    ("five classes", 300, 5, 100000, 40000, [], []),
    ("five classes with ties", 300, 5, 3, 1, [], []),
    ("ten classes, two without samples", 400, 10, 500, 200, [3, 7], []),
    ("ten classes, two never predicted", 400, 10, 500, 200, [], [0, 8]),
    ("seven classes, one both", 250, 7, 50, 20, [6], [6]),
    ("zero scores for the true class", 120, 4, 2, 0, [], []),
    ("three samples", 3, 3, 100, 10, [], []),
    ("useless scores", 500, 20, 64, 0, [], []),
]


def numbers(seed, count):
    """The upper 16 bits of a 32-bit linear congruential generator (Numerical Recipes)."""
    state, out = seed, []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 16)
    return out


def arrays(seed, samples, classes, levels, bonus, empty, never):
    draws = iter(numbers(seed, samples * (classes + 1)))
    present = [c for c in range(classes) if c not in empty]
    labels = numpy.zeros(samples, int)
    scores = numpy.zeros((samples, classes), numpy.float32)
    for i in range(samples):
        labels[i] = present[next(draws) % len(present)]
        raw = [next(draws) * 65537 % levels for _ in range(classes)]
        raw[labels[i]] += bonus
        raw = [0 if c in never else value for c, value in enumerate(raw)]
        if sum(raw) == 0:
            raw[present[0]] = 1
        scores[i] = [numpy.float32(value / sum(raw)) for value in raw]
    return labels, scores


def calibration_error(labels, scores):
    """Guo et al. 2017 with bins (b/15, (b+1)/15], in plain NumPy."""
    confidence = scores.max(axis=1).astype(float)
    correct = scores.argmax(axis=1) == labels
    bins = numpy.digitize(confidence, numpy.linspace(0, 1, 16)[1:-1], right=True)
    error = 0.0
    for b in range(15):
        inside = bins == b
        if inside.any():
            error += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return error


def expected(labels, scores):
    classes = scores.shape[1]
    every = list(range(classes))
    predictions = scores.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=0)
    out = {
        "accuracy": metrics.accuracy_score(labels, predictions),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predictions),
        "log_loss": metrics.log_loss(labels, scores, labels=every),
        "brier_score": metrics.brier_score_loss(labels, scores, labels=every) if classes > 2
        else metrics.brier_score_loss(labels, scores[:, 1]),
        "calibration_error": calibration_error(labels, scores),
        "class_precision": precision.tolist(),
        "class_recall": recall.tolist(),
        "class_f1": f1.tolist(),
        "support": support.tolist(),
        "confusion": metrics.confusion_matrix(labels, predictions, labels=every).tolist(),
    }
    for average in ("macro", "weighted", "micro"):
        values = metrics.precision_recall_fscore_support(labels, predictions, average=average, zero_division=0)
        for key, value in zip(("precision", "recall", "f1"), values):
            out[f"{average}_{key}"] = value
    for k in (2, 5):
        if k < classes:
            out[f"top_{k}_accuracy"] = metrics.top_k_accuracy_score(labels, scores, k=k, labels=every)
    areas, precisions = [], []
    for c in every:
        positive = labels == c
        areas.append(metrics.roc_auc_score(positive, scores[:, c]) if 0 < positive.sum() < len(labels) else None)
        precisions.append(metrics.average_precision_score(positive, scores[:, c]) if positive.any() else None)
    out["class_auroc"], out["class_average_precision"] = areas, precisions
    if classes == 2:
        out["auroc"], out["average_precision"] = areas[1], precisions[1]
    else:
        out["auroc"] = numpy.mean([a for a in areas if a is not None])
        out["average_precision"] = numpy.mean([p for p in precisions if p is not None])
        if None not in areas:
            whole = metrics.roc_auc_score(labels, scores, multi_class="ovr", average="macro", labels=every)
            assert abs(whole - out["auroc"]) < 1e-12
    return {key: value if isinstance(value, (list, type(None))) else float(value) for key, value in out.items()}


def main():
    warnings.filterwarnings("ignore")
    cases = []
    for number, (name, samples, classes, levels, bonus, empty, never) in enumerate(CASES):
        seed = 1000 + number
        labels, scores = arrays(seed, samples, classes, levels, bonus, empty, never)
        cases.append({
            "name": name, "seed": seed, "samples": samples, "classes": classes, "levels": levels, "bonus": bonus,
            "empty": empty, "never": never, "expected": expected(labels, scores)})
    made_by = f"tests/reference/make_metric_goldens.py with scikit-learn {sklearn.__version__}, NumPy {numpy.__version__}"
    print(json.dumps({"made_by": made_by, "cases": cases}, indent=None, separators=(",", ":")).replace("{\"name\"", "\n{\"name\""))


if __name__ == "__main__":
    main()
