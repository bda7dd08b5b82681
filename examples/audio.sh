#!/usr/bin/env bash
# Spoken digits, 900 recordings to learn from and 300 to score: the official split. Every speaker is on both sides,
# as in the published 97 to 99 %.
. "$(dirname "$0")/lib.sh"
need audio/fsdd_subset

digit_manifests fsdd

# 8 kHz as recorded; 0.65 s hold nine digits in ten, and what is longer is cut.
settings=(--rate 8000 --bins 64 --length 64)
step tokenize mt-tokenize audio --manifest fsdd.train.csv "${settings[@]}" --model "$MODEL" --fit fsdd.tokenizer.h5 -o fsdd.train.tokens.h5
step tokenize mt-tokenize audio --manifest fsdd.test.csv --model "$MODEL" --model fsdd.tokenizer.h5 -o fsdd.test.tokens.h5
probe fsdd

features=$accuracy

# The log-mel frames of the same clips as one row of 64 x 64, without any encoder.
whole=("${settings[@]}" --patch 64 --stride 64 --patches)
step patches mt-tokenize audio --manifest fsdd.train.csv "${whole[@]}" --fit fsdd.frames.h5 -o fsdd.train.patches.h5
step patches mt-tokenize audio --manifest fsdd.test.csv "${whole[@]}" --model fsdd.frames.h5 -o fsdd.test.patches.h5
baseline fsdd
frames=$accuracy accuracy=$features
row audio fsdd_subset fsdd "log-mel frames: $frames; published, full set: 97 to 99 %"
