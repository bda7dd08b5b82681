#!/usr/bin/env python3
"""Texts per core: mt-tokenize text beside the `tokenizers` package, from the same file to ids.

    MT_BIN=build/release/bin python3 bench/tokenize_text.py SENTENCES.tsv VOCAB.txt [COPIES]

The first column of the file is the text; the texts are taken 50 times. Both read the file; mt-tokenize writes its ids as HDF5
besides. The ids are compared. Needs tokenizers, h5py.
"""
import pathlib
import sys
import tempfile

import beside
import h5py
from tokenizers import BertWordPieceTokenizer

if len(sys.argv) < 3:
    sys.exit(__doc__)
source, vocabulary = sys.argv[1:3]
copies = int(sys.argv[3]) if len(sys.argv) > 3 else 50
REFERENCE = "tokenizers, file to memory"


def reference(texts):
    tokenizer = BertWordPieceTokenizer(vocabulary, lowercase=True)
    tokenizer.enable_truncation(128)
    return [e.ids for e in tokenizer.encode_batch(texts.read_text(encoding="utf-8").splitlines())]


with tempfile.TemporaryDirectory() as folder:
    lines = [line.split("\t")[0] for line in open(source, encoding="utf-8").read().splitlines()]
    texts, ids = pathlib.Path(folder) / "texts.txt", pathlib.Path(folder) / "ids.h5"
    texts.write_text("".join(line + "\n" for line in lines) * copies, encoding="utf-8")
    results = beside.compare(f"{len(lines) * copies} texts", len(lines) * copies, "texts", {
        "mt-tokenize text --patches, file to file": lambda: beside.tokenize("text", texts, "--vocab", vocabulary, "--patches",
                                                                            "-o", ids),
        REFERENCE: lambda: reference(texts)})
    with h5py.File(ids) as file:
        codes, offsets = file["codes"][:, 0], file["offsets"][:]
    expected = results[REFERENCE]
    equal = all(codes[offsets[i]:offsets[i + 1]].tolist() == expected[i] for i in range(len(expected)))
    print(f"  {len(codes)} tokens, ids {'equal' if equal else 'DIFFER'}")
