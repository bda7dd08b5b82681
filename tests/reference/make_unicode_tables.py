#!/usr/bin/env python3
"""Writes lib/tokenize/text/unicode_tables.cpp: the Unicode properties that the text tokenizers go by.

They are asked of the `tokenizers` package itself, character by character, because no single Unicode version gives its
answers: its categories are older than its normalisation, which is older than its lower-casing. Canonical combining
classes and single steps of decomposition, which Unicode promises never to change, come from unicodedata and are checked
against the package.

    python tests/reference/make_unicode_tables.py > lib/tokenize/text/unicode_tables.cpp
"""
import sys
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

CODES = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **on})


def matches(pattern):
    """Code points that one Oniguruma pattern, as the package's CLIP tokenizer uses it, matches."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    return {c for c in CODES if split.pre_tokenize_str(chr(c))}


def flags():
    clean, accents = bert(clean_text=True), bert(strip_accents=True)
    chinese, words = bert(handle_chinese_chars=True), pre_tokenizers.BertPreTokenizer()
    letters, numbers, spaces = matches(r"\p{L}"), matches(r"\p{N}"), matches(r"\s")
    out = {}
    for code in CODES:
        text = "a" + chr(code) + "b"
        cleaned = clean.normalize_str(text)
        names = []
        if cleaned == "ab":
            names.append("kControl")
        if cleaned == "a b":
            names.append("kSpace")
        if len(words.pre_tokenize_str(text)) == 3:
            names.append("kPunctuation")
        # Decomposition comes first, so that only what is left of a mark itself tells.
        if accents.normalize_str(text) == "ab":
            names.append("kMark")
        if chinese.normalize_str(text) != text:
            names.append("kChinese")
        if code in letters:
            names.append("kLetter")
        if code in numbers:
            names.append("kNumber")
        if code in spaces:
            names.append("kPatternSpace")
        if names:
            out[code] = " | ".join(names)
    return out


def ranges(values):
    """{code: value} as [first, last, value], ascending."""
    out = []
    for code in sorted(values):
        if out and out[-1][1] == code - 1 and out[-1][2] == values[code]:
            out[-1][1] = code
        else:
            out.append([code, code, values[code]])
    return out


def lower_runs():
    """Runs of characters with one distance to their lower-case form, at steps of 1 or 2."""
    lower = normalizers.Lowercase()
    pairs = [(c, lower.normalize_str(chr(c))) for c in CODES if lower.normalize_str(chr(c)) != chr(c)]
    longer = [(c, s) for c, s in pairs if len(s) > 1]
    assert longer == [(0x130, "i\u0307")], longer  # handled in unicode.cpp
    runs = []
    for code, text in pairs:
        if len(text) > 1:
            continue
        delta = ord(text) - code
        if runs and runs[-1][3] == delta:
            first, last, step, _ = runs[-1]
            if first == last and code - last in (1, 2):
                runs[-1][1:3] = [code, code - last]
                continue
            if first != last and code - last == step:
                runs[-1][1] = code
                continue
        runs.append([code, code, 1, delta])
    return runs


def decompositions():
    """(code, first, second or 0, composes) of one canonical step each, Hangul left out (it is arithmetic)."""
    nfd, nfc = normalizers.NFD(), normalizers.NFC()
    out, step = [], {}
    for code in CODES:
        if 0xAC00 <= code <= 0xD7A3:
            continue
        whole = nfd.normalize_str(chr(code))
        if whole == chr(code):
            continue
        parts = [int(p, 16) for p in unicodedata.decomposition(chr(code)).split()]
        step[code] = parts
        composes = nfc.normalize_str("".join(map(chr, parts))) == chr(code)
        out.append((code, parts[0], parts[1] if len(parts) == 2 else 0, int(composes)))
    for code in step:
        text = [code]
        while any(c in step for c in text):
            text = [d for c in text for d in step.get(c, [c])]
        assert "".join(map(chr, text)) == nfd.normalize_str(chr(code)), hex(code)
    return out


def combining_classes():
    nfd = normalizers.NFD()
    out = {}
    for code in CODES:
        # U+0345 has class 240, above all others: it changes places with every character of a class.
        known = code == 0x345 or nfd.normalize_str("\u0345" + chr(code)).endswith("\u0345")
        combining = unicodedata.combining(chr(code))
        if known and unicodedata.decomposition(chr(code)) == "":
            assert combining, hex(code)
            out[code] = combining
    return out


def table(declaration, rows, per_line):
    print(f"\nconst {declaration}[] = {{")
    cells = ["{" + ", ".join(r) + "}," for r in rows]
    for i in range(0, len(cells), per_line):
        print("    " + " ".join(cells[i : i + per_line]))
    print("};")


def main():
    h = "0x{:X}".format
    print(f"// Made by tests/reference/make_unicode_tables.py from tokenizers {tokenizers.__version__}; do not edit.")
    print("// clang-format off")
    print('#include "tokenize/text/unicode_tables.h"\n\nnamespace mt::unicode {')
    sizes = []

    def emit(kind, name, rows, per_line):
        table(f"{kind} {name}", rows, per_line)
        sizes.append(name)

    emit("FlagRange", "kFlagRanges", [(h(a), h(b), v) for a, b, v in ranges(flags())], 4)
    emit("ClassRange", "kClassRanges", [(h(a), h(b), str(v)) for a, b, v in ranges(combining_classes())], 8)
    emit("LowerRun", "kLowerRuns", [(h(a), h(b), str(s), str(d)) for a, b, s, d in lower_runs()], 6)
    emit("Decomposition", "kDecompositions", [(h(a), h(b), h(c), str(d)) for a, b, c, d in decompositions()], 6)
    for name in sizes:
        print(f"\nconst std::size_t {name}Count = std::size({name});", end="")
    print("\n\n}  // namespace mt::unicode")


if __name__ == "__main__":
    sys.exit(main())
