#!/usr/bin/env python3
"""Writes tests/golden/tabular.json: how pandas reads tables, and what scikit-learn makes of their numbers.

    python tests/reference/make_tabular_goldens.py > tests/golden/tabular.json
"""
import io
import json
import math
import random
import sys

import numpy
import pandas
import scipy.special
import sklearn
from sklearn.preprocessing import QuantileTransformer, StandardScaler

QUANTILES = 17


def random_table(seed, separator, rows):
    """Numbers of several distributions with ties and gaps, categories with quotes, separators and line ends inside."""
    rng = random.Random(seed)
    words = ["red", "green", "deep blue", 'a "quoted" word', f"with{separator}separator", "caf\u00e9", "two\nlines", "NAN"]
    lines = []
    for _ in range(rows):
        numbers = [f"{rng.gauss(40, 12):.3f}", str(rng.randint(0, 5)), f"{math.exp(rng.gauss(0, 2)):.6e}", "7.5",
                   str(rng.choice([1, 1, 1, 2]) * 1000003)]
        numbers = [rng.choice(["", "NA", "nan", "NULL"]) if rng.random() < 0.1 else n for n in numbers]
        fields = numbers + [rng.choice(words), rng.choice(["yes", "no", ""])]
        lines.append(separator.join(quoted(f, separator) for f in fields))
    header = separator.join(["normal", "few", '"log, normal"', "constant", "large", "word", "answer"])
    return header + "\n" + rng.choice(["\n", "\r\n"]).join(lines) + "\n"


def quoted(field, separator):
    return '"' + field.replace('"', '""') + '"' if any(c in field for c in (separator, '"', "\n")) else field


def described(name, text, **options):
    frame = pandas.read_csv(io.StringIO(text, newline=""), **options)
    columns = []
    for label in frame.columns:
        series = frame[label]
        numeric = pandas.api.types.is_numeric_dtype(series)
        column = {"name": str(label), "numeric": bool(numeric), "missing": series.isna().astype(int).tolist()}
        if numeric:
            values = series.to_numpy(dtype=float).reshape(-1, 1)
            quantile = QuantileTransformer(n_quantiles=QUANTILES, output_distribution="normal", subsample=None)
            column["standard"] = finite(StandardScaler().fit_transform(values))
            column["quantile"] = finite(quantile.fit_transform(values))
        else:
            column["categories"] = sorted(series.dropna().unique().tolist(), key=lambda s: s.encode())
            column["values"] = [None if missing else value for value, missing in zip(series, series.isna())]
        columns.append(column)
    return {"name": name, "text": text, "rows": len(frame), "columns": columns}


def finite(values):
    return [None if math.isnan(x) else float(f"{x:.9g}") for x in values.ravel()]


def main():
    tables = [described("commas", random_table(1, ",", 60)), described("tabs", random_table(2, "\t", 40), sep="\t"),
              described("semicolons", random_table(3, ";", 5), sep=";")]
    probabilities = [1e-300, 1e-20, 1e-7, 0.001, 0.07, 0.075, 0.3, 0.5, 0.75, 0.925, 0.93, 0.9999, 1 - 1e-12]
    golden = {
        "made_with": {m.__name__: m.__version__ for m in [pandas, sklearn, numpy]},
        "quantiles": QUANTILES,
        "tables": tables,
        "normal_quantile": [[p, float(scipy.special.ndtri(p))] for p in probabilities],
    }
    print("{")
    print(",\n".join(f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in golden.items()))
    print("}")


if __name__ == "__main__":
    sys.exit(main())
