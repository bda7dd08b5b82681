#!/usr/bin/env python3
"""Rows per core: mt-tokenize tabular beside pandas and scikit-learn, from the same file to numbers and codes.

    MT_BIN=build/release/bin python3 bench/tokenize_tabular.py ../shared/data/tabular/adult/adult.data [ROWS]

Both read the file (no header, "?" for what is missing, the rows repeated up to 300,000), find the schema, scale the numbers and
number the categories, each in a process of its own. The scaled numbers are compared. Needs numpy, pandas, scikit-learn, h5py.
"""
import pathlib
import subprocess
import sys
import tempfile

import beside
import h5py
import numpy

REFERENCE = """
import sys, numpy, pandas
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
frame = pandas.read_csv(sys.argv[1], header=None, skipinitialspace=True, na_values="?")
numeric = [c for c in frame if pandas.api.types.is_numeric_dtype(frame[c])]
numbers = StandardScaler().fit_transform(frame[numeric].to_numpy(dtype=float))
codes = OrdinalEncoder(encoded_missing_value=-1).fit_transform(frame[[c for c in frame if c not in numeric]])
numpy.savez(sys.argv[2], numbers=numbers.astype(numpy.float32), codes=codes.astype(numpy.int32), numeric=numpy.array(numeric))
"""

if len(sys.argv) < 2:
    sys.exit(__doc__)
rows = int(sys.argv[2]) if len(sys.argv) > 2 else 300_000
with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    lines = [line + "\n" for line in open(sys.argv[1], encoding="utf-8").read().splitlines() if line]
    with open(folder / "table.csv", "w", encoding="utf-8") as file:
        for start in range(0, rows, len(lines)):
            file.writelines(lines[:rows - start])
    columns = len(lines[0].split(","))
    beside.compare(f"{rows} rows of {columns} columns, {(folder / 'table.csv').stat().st_size / 1e6:.0f} MB", rows, "rows", {
        "mt-tokenize tabular --patches, file to file": lambda: beside.tokenize(
            "tabular", folder / "table.csv", "--no-header", "--missing", "?", "--patches", "--fit", folder / "schema.h5", "-o",
            folder / "patches.h5"),
        "pandas, scikit-learn, file to file": lambda: subprocess.run(
            [sys.executable, "-c", REFERENCE, folder / "table.csv", folder / "reference.npz"], check=True)})
    reference = numpy.load(folder / "reference.npz")
    with h5py.File(folder / "patches.h5") as file:
        numbers = file["patches"][:, 0].reshape(-1, columns)[:, reference["numeric"]]
    print(f"  largest difference of scaled numbers {numpy.nanmax(numpy.abs(numbers - reference['numbers'])):.1e}")
