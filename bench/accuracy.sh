#!/usr/bin/env bash
# What the precisions and --merge cost where it counts: a linear head on the features of each, on a real set.
#
#   bench/accuracy.sh NAME TRAIN TEST        two folders of pictures in folders of their classes
#   MODEL=b16.h5 SIZE=224 MERGE=8 bench/accuracy.sh ...
#
# Every row: the features of all pictures in one precision, a head fitted to the training ones, the accuracy on the test
# ones and the rate of the encoder. Without a trained checkpoint MODEL is random:small: its features are a fixed,
# non-linear view of the picture, worse than those of a trained one, and rounding hurts them as much.
set -euo pipefail

PATH=${MT_BIN:-build/release/bin}:$PATH
name=$1 train=$2 test=$3
model=${MODEL:-random:small} size=${SIZE:-112} merge=${MERGE:-4}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for part in train test; do
  mt-tokenize image "${!part}" --labels directory --model "$model" --size "$size" --quiet -o "$out/$part.tokens.h5"
done
printf '%-20s %-14s %9s %12s\n' set features accuracy samples/s
for dtype in f32 bf16 int8; do
  for r in 0 "$merge"; do
    for part in train test; do
      mt-encode "$out/$part.tokens.h5" --model "$model" --pool mean --dtype $dtype --merge "$r" --quiet --force --profile \
        --json -o "$out/$part.h5" >"$out/$part.json" 2>/dev/null
    done
    mt-train-head "$out/train.h5" --quiet --force -o "$out/head.h5"
    accuracy=$(mt-eval "$out/test.h5" --model "$out/head.h5" --json | grep -o '"accuracy": *[0-9.]*' | head -n 1 | grep -o '[0-9.]*$')
    samples=$(grep -o '"samples": *[0-9]*' "$out/train.json" | grep -o '[0-9]*$')
    seconds=$(grep -o '"seconds": *[0-9.e-]*' "$out/train.json" | head -n 1 | grep -o "[0-9.e-]*$")
    label=$dtype
    [ "$r" -eq 0 ] || label="$dtype --merge $r"
    printf '%-20s %-14s %9.4f %12.1f\n' "$name" "$label" "$accuracy" "$(awk "BEGIN { print $samples / $seconds }")"
  done
done
