#!/usr/bin/env python3
"""Texts a second on one core: mt-tokenize text against the `tokenizers` package, from the same file to ids.

    cmake --preset release && cmake --build --preset release
    python bench/tokenize_text.py sentences.tsv vocab.txt [--bin build/release/bin] [--copies 20]

The first column of the file is the text. Both read the file; mt-tokenize writes its ids as HDF5 besides. The best of three runs
counts, and the ids are compared.
"""
import argparse
import os
import pathlib
import subprocess
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
import h5py
from tokenizers import BertWordPieceTokenizer


def best_of(runs, work):
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("texts")
    parser.add_argument("vocabulary")
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--copies", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lines = [line.split("\t")[0] for line in open(options.texts, encoding="utf-8").read().splitlines()]
        texts = pathlib.Path(folder) / "texts.txt"
        texts.write_text("".join(line + "\n" for line in lines) * options.copies, encoding="utf-8")
        ids = pathlib.Path(folder) / "ids.h5"
        command = [f"{options.bin}/mt-tokenize", "text", texts, "--vocab", options.vocabulary, "--patches", "--quiet", "--threads",
                   "1", "--force", "-o", ids]
        ours, _ = best_of(3, lambda: subprocess.run(command, check=True))

        def theirs_work():
            tokenizer = BertWordPieceTokenizer(options.vocabulary, lowercase=True)
            tokenizer.enable_truncation(128)
            return [e.ids for e in tokenizer.encode_batch(texts.read_text(encoding="utf-8").splitlines())]

        theirs, expected = best_of(3, theirs_work)
        with h5py.File(ids) as file:
            codes, offsets = file["codes"][:, 0], file["offsets"][:]
        equal = all(codes[offsets[i]:offsets[i + 1]].tolist() == expected[i] for i in range(len(expected)))
        count, tokens = len(expected), len(codes)
        print(f"{count} texts, {tokens} tokens, ids {'equal' if equal else 'DIFFER'}")
        print(f"mt-tokenize  {count / ours:12.0f} texts/s {tokens / ours / 1e6:8.2f} M tokens/s   {ours:.2f} s")
        print(f"tokenizers   {count / theirs:12.0f} texts/s {tokens / theirs / 1e6:8.2f} M tokens/s   {theirs:.2f} s")
        print(f"ratio        {theirs / ours:12.2f}")


if __name__ == "__main__":
    main()
