#!/usr/bin/env python3
"""Rows a second on one core: mt-tokenize tabular against pandas and scikit-learn, from the same file to numbers and codes.

    cmake --preset release && cmake --build --preset release
    python bench/tokenize_tabular.py adult.data --missing '?' [--bin build/release/bin] [--rows 500000]

Both read the file, find the schema, scale the numbers and number the categories; mt-tokenize writes its result as HDF5 besides.
The table has no header. The best of three runs counts. Memory is the peak of each process. Scaled numbers are compared.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

REFERENCE = """
import sys, numpy, pandas
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
frame = pandas.read_csv(sys.argv[1], header=None, skipinitialspace=True, na_values=sys.argv[3:])
numeric = [c for c in frame if pandas.api.types.is_numeric_dtype(frame[c])]
numbers = StandardScaler().fit_transform(frame[numeric].to_numpy(dtype=float))
codes = OrdinalEncoder(encoded_missing_value=-1).fit_transform(frame[[c for c in frame if c not in numeric]])
numpy.savez(sys.argv[2], numbers=numbers.astype(numpy.float32), codes=codes.astype(numpy.int32), numeric=numpy.array(numeric))
"""


def best_of(runs, command):
    best, memory = float("inf"), 0
    for _ in range(runs):
        start = time.perf_counter()
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        if status != 0:
            sys.exit(f"{command[0]} failed")
        best, memory = min(best, time.perf_counter() - start), usage.ru_maxrss / 1024
    return best, memory


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("--missing", action="append", default=[])
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--rows", type=int, default=500_000)
    options = parser.parse_args()
    import h5py
    import numpy
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        lines = [line + "\n" for line in open(options.table, encoding="utf-8").read().splitlines() if line]
        with open(folder / "table.csv", "w", encoding="utf-8") as file:
            for start in range(0, options.rows, len(lines)):
                file.writelines(lines[:options.rows - start])
        megabytes = (folder / "table.csv").stat().st_size / 1e6
        missing = [word for name in options.missing for word in ("--missing", name)]
        ours, our_memory = best_of(3, [
            f"{options.bin}/mt-tokenize", "tabular", folder / "table.csv", "--no-header", *missing, "--patches", "--fit",
            folder / "schema.h5", "--threads", "1", "--quiet", "--force", "-o", folder / "patches.h5"])
        theirs, their_memory = best_of(3, [sys.executable, "-c", REFERENCE, folder / "table.csv", folder / "reference.npz",
                                           *options.missing])
        reference = numpy.load(folder / "reference.npz")
        columns = len(lines[0].split(","))
        with h5py.File(folder / "patches.h5") as file:
            numbers = file["patches"][:, 0].reshape(-1, columns)[:, reference["numeric"]]
        difference = float(numpy.nanmax(numpy.abs(numbers - reference["numbers"])))
        print(f"{options.rows} rows, {megabytes:.0f} MB, {columns} columns; largest difference of scaled numbers {difference:.1e}")
        for name, seconds, memory in (("mt-tokenize", ours, our_memory), ("pandas, scikit-learn", theirs, their_memory)):
            print(f"{name:<21}{options.rows / seconds:10.0f} rows/s {megabytes / seconds:8.1f} MB/s   {seconds:6.2f} s   {memory:6.0f} MB")
        print(f"ratio                {theirs / ours:10.2f}")


if __name__ == "__main__":
    main()
