#!/usr/bin/env python3
"""Writes tests/golden/text.json: what the `tokenizers` package makes of texts that the tests repeat.

    python tests/reference/make_text_goldens.py > tests/golden/text.json
"""
import hashlib
import json
import random
import sys

import tokenizers
from tokenizers import BertWordPieceTokenizer, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

CORPUS = [
    "the old ferry leaves the harbour at dawn, and the gulls follow it to the open sea",
    "a model that only reads cannot see; a model that only sees cannot read!",
    "we've measured it twice: the water isn't cold, it's colder than last year's ice",
    "twelve kinds of data, one encoder, a light head for each of them",
    "she said \"no\" (twice) and left the unbelievable, unaffable crowd behind",
    "patches, tokens, sequences: the longer the sequence the slower the attention",
    "in 1984 about 37 percent of 2,500 readers liked it; in 2023 only 12.5 percent did",
    "the cafe's naive facade hides an elegant, slow and quietly funny film about reading",
]
BERT_SIZE, BPE_MERGES = 420, 300
# No pair of neighbours is as frequent as another until 4 pairs are joined, so that the package has no choice.
COUNTED_WORDS, TRAINED_SIZE = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "Hugs": 5}, 20

ODD = [
    "", " ", "\t\r", "unaffable", "Unaffable UNBELIEVABLE ice", "caf\u00e9 na\u00efve fa\u00e7ade", "cafe\u0301 nai\u0308ve",
    "\u4e2d\u6587 and \u3042\u3044 and \uac00\ub098\ub2e4", "a\u00a0b\u2003c\u3000d\u2028e", "zero\u200bwidth\ufeff \u00adsoft", "nul\x00l \ufffd \x7f\x85x",
    "[CLS] the [MASK] sea [SEP][PAD][UNK] [cls] [SEP", "<|startoftext|>the sea<|endoftext|> <|STARTOFTEXT|> <|sea|>",
    "we've it's I'M they'll he'd isn't can't you're '' 's", "...!!!???", "$1,000.50 + 2^10 = <tag> | ~`", "x" * 100, "x" * 101,
    "\u00e9" * 100 + " " + "\u00e9" * 101, "\u0130stanbul \u1e9e STRASSE \u039f\u0394\u039f\u03a3", "e\u0323\u0302 \u1ec7 \u0344 \u212b \u2126", "\U0001d400\U0001f600\U0001f468\u200d\U0001f469 \U00010400",
    "\u0915\u094d\u0937\u093f \u0e01\u0e34 \u05d0\u05b7", "\u00bd \u2167 \u0663 \u00b2 m\u00b2", "the,sea;the:sea", "  the   sea  ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]
POOLS = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0x1E00, 0x206F),
         (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF), (0, 0x10FFFF)]


def random_text(rng):
    out = []
    for _ in range(rng.randrange(2, 8)):
        low, high = rng.choice(POOLS)
        out += [chr(c) for c in (rng.randint(low, high) for _ in range(rng.randint(1, 4))) if not 0xD800 <= c < 0xE000]
        if rng.random() < 0.4:
            out.append(" ")
    return "".join(out)


def bert_vocabulary():
    """Special tokens, all ASCII pieces, and pieces that a trainer finds (its ties are random: the golden keeps them)."""
    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(CORPUS, vocab_size=300, min_frequency=2, show_progress=False)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [chr(c) for c in range(0x21, 0x7F)] + ["##" + chr(c) for c in range(0x61, 0x7B)]
    pieces += ["\u4e2d", "\u6587", "\u00e9", "##\u00e9", "\u00df", "##\u00df", "\u1100", "##\u1161", "Una", "##ff", "UN"]
    pieces += sorted(t for t in trained.get_vocab() if t not in pieces)
    return pieces[:BERT_SIZE]


def bert(vocabulary, lower):
    return BertWordPieceTokenizer({t: i for i, t in enumerate(vocabulary)}, lowercase=lower)


def words(lower):
    normalizer, split = normalizers.BertNormalizer(lowercase=lower), pre_tokenizers.BertPreTokenizer()
    return lambda text: [w for w, _ in split.pre_tokenize_str(normalizer.normalize_str(text))]


CLIP_PATTERN = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


def clip_frame(model):
    """As transformers builds CLIP's tokenizer."""
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(CLIP_PATTERN), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def byte_symbols():
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def clip():
    trained = clip_frame(models.BPE(end_of_word_suffix="</w>"))
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=512 + BPE_MERGES, end_of_word_suffix="</w>", show_progress=False, initial_alphabet=byte_symbols()))
    merges = [tuple(m) for m in json.loads(trained.to_str())["model"]["merges"]][:BPE_MERGES]
    symbols = byte_symbols() + [s + "</w>" for s in byte_symbols()] + ["".join(m) for m in merges]
    symbols += ["<|startoftext|>", "<|endoftext|>"]
    ids = {s: i for i, s in enumerate(symbols)}
    tokenizer = clip_frame(models.BPE(vocab=ids, merges=merges, end_of_word_suffix="</w>"))
    tokenizer.add_special_tokens(symbols[-2:])
    start, end = len(symbols) - 2, len(symbols) - 1
    tokenizer.post_processor = processors.RobertaProcessing(
        ("<|endoftext|>", end), ("<|startoftext|>", start), trim_offsets=False, add_prefix_space=False)
    return [" ".join(m) for m in merges], tokenizer


def every_character(transform):
    """SHA-256 over what becomes of every character between others, so that one number checks the whole of Unicode."""
    digest = hashlib.sha256()
    for code in range(0x110000):
        if not 0xD800 <= code < 0xE000:
            c = chr(code)
            digest.update((" ".join(transform(f"a{c}b {c}\u0301\u0345")) + "\n").encode())
    return digest.hexdigest()


def main():
    rng = random.Random(5)
    texts = CORPUS + ODD + [random_text(rng) for _ in range(80)]
    vocabulary = bert_vocabulary()
    uncased, cased = bert(vocabulary, True), bert(vocabulary, False)
    pairs = []
    for limit in (3, 4, 5, 12, 13, 21, 64):
        uncased.enable_truncation(limit)
        for first, second in ((CORPUS[0], "the sea"), ("the sea", CORPUS[1]), (CORPUS[2], CORPUS[3]), ("", CORPUS[4])):
            encoding = uncased.encode(first, second)
            pairs.append([limit, first, second, encoding.ids, encoding.type_ids])
    uncased.no_truncation()
    merges, byte_pair = clip()
    byte_texts = [[t, byte_pair.encode(t).ids] for t in texts]
    byte_pair.enable_truncation(9)
    byte_cut = [[t, byte_pair.encode(t).ids] for t in CORPUS]
    byte_pair.no_truncation()
    trained = BertWordPieceTokenizer()
    counted = [word for word, count in COUNTED_WORDS.items() for _ in range(count)]
    trained.train_from_iterator(counted, vocab_size=TRAINED_SIZE, min_frequency=2, show_progress=False)
    golden = {
        "made_with": f"tokenizers {tokenizers.__version__}",
        "vocabulary": vocabulary,
        "texts": [[t, uncased.encode(t).ids, cased.encode(t).ids] for t in texts],
        "pairs": pairs,
        "merges": merges,
        "byte_texts": byte_texts,
        "byte_cut_to_9": byte_cut,
        "every_character": {
            "uncased_words": every_character(words(True)),
            "cased_words": every_character(words(False)),
            "byte_pair_ids": every_character(lambda t: [str(i) for i in byte_pair.encode(t).ids]),
        },
        "words": [[t, words(True)(t), words(False)(t)] for t in texts],
        "counted_words": COUNTED_WORDS,
        "trained": sorted(trained.get_vocab()),
    }
    print("{")
    print(",\n".join(f'"{k}": {json.dumps(v, separators=(",", ":"))}' for k, v in golden.items()))
    print("}")


if __name__ == "__main__":
    sys.exit(main())
