#!/usr/bin/env python3
"""Writes tests/golden/checkpoints/bert: a small BERT as transformers saves it, with its vocabulary, and what its own embeddings
and the `tokenizers` package make of some texts.

    python tests/reference/make_bert_golden.py
"""
import json
import os
import pathlib

os.environ["HF_HUB_OFFLINE"] = "1"
import tokenizers
import torch
import transformers
from tokenizers import BertWordPieceTokenizer

OUT = pathlib.Path(__file__).resolve().parent.parent / "golden" / "checkpoints" / "bert"
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "sea", "is", "cold", "##er", "read", "##ing", ",", "."]
TEXTS = [["The sea is colder.", None], ["", None], ["reading, the sea", "the unknown is cold"]]


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(3)
    model = transformers.BertModel(transformers.BertConfig(
        vocab_size=len(VOCABULARY) + 2, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=12)).eval()
    with torch.no_grad():
        for parameter in model.embeddings.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    model.save_pretrained(OUT)
    (OUT / "config.json").unlink()
    (OUT / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    tokenizer = BertWordPieceTokenizer(str(OUT / "vocab.txt"), lowercase=True)
    cases = []
    for first, second in TEXTS:
        encoding = tokenizer.encode(first, second)
        rows = model.embeddings(torch.tensor([encoding.ids]), token_type_ids=torch.tensor([encoding.type_ids]))
        cases.append({"first": first, "second": second, "ids": encoding.ids, "types": encoding.type_ids,
                      "tokens": [round(x, 6) for x in rows.detach().flatten().tolist()]})
    made_with = {m.__name__: m.__version__ for m in [torch, transformers, tokenizers]}
    (OUT / "expected.json").write_text(json.dumps({"made_with": made_with, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
