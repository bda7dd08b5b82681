#!/usr/bin/env bash
# CIFAR-10 as JPEG files, one folder a class: 3,000 pictures to learn from, 800 to test on.
. "$(dirname "$0")/lib.sh"
set=image/cifar10_subset
need $set

# 32 x 32 pixels, shown to the model at 64: 4 x 4 patches and the class token.
for part in train test; do
  step tokenize mt-tokenize image "$DATA/$set/$part" --labels directory --model "$MODEL" --size 64 -o "cifar10.$part.tokens.h5"
  # The whole picture as one patch of 32 x 32 x 3 values.
  step baseline mt-tokenize image "$DATA/$set/$part" --labels directory --patches --size 32 --patch 32 -o "cifar10.$part.patches.h5"
done
baseline cifar10
beside="raw pixels: $accuracy"
probe cifar10
row image cifar10_subset cifar10 "$beside"
