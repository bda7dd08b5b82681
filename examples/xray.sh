#!/usr/bin/env bash
# Pneumonia or not on radiographs of the chest: 28 x 28 pixels in one NPZ file, and 224 x 224 as JPEG files.
. "$(dirname "$0")/lib.sh"
small=xray/pneumoniamnist_balanced/pneumoniamnist.npz
large=xray/chest_xray_224
need $small $large

# Arrays of an NPZ file: train to learn from, val to choose the penalty on, test to score.
for part in train val test; do
  from=("$DATA/$small" --array "${part}_images" --label-array "${part}_labels")
  step tokenize mt-tokenize xray "${from[@]}" --model "$MODEL" --size 112 -o "mnist.$part.tokens.h5"
  step baseline mt-tokenize xray "${from[@]}" --patches --size 28 --patch 28 --channels sum -o "mnist.$part.patches.h5"
done
step encode mt-encode mnist.val.tokens.h5 --model "$MODEL" --pool "$POOL" -o mnist.val.features.h5
baseline mnist --validation mnist.val.patches.h5
beside="raw pixels: $accuracy"
probe mnist --validation mnist.val.features.h5
row xray pneumoniamnist_balanced mnist "$beside"

# Folders of pictures: every fifth of each class, by name, is for the test.
find "$DATA/$large" -name '*.jpeg' | sort | awk -F/ '
  BEGIN { for (part = 0; part < 2; ++part) print "path\tlabel" >(part ? "test.tsv" : "train.tsv") }
  { print $0 "\t" $(NF - 1) >(seen[$(NF - 1)]++ % 5 == 4 ? "test.tsv" : "train.tsv") }'
for part in train test; do
  step tokenize mt-tokenize xray --manifest $part.tsv --model "$MODEL" --size 224 -o "chest.$part.tokens.h5"
  step baseline mt-tokenize xray --manifest $part.tsv --patches --size 56 --patch 56 --channels sum -o "chest.$part.patches.h5"
done
baseline chest
beside="raw pixels at 56: $accuracy"
probe chest
row xray chest_xray_224 chest "$beside"
