#!/usr/bin/env bash
# Fights before surveillance cameras: 32 + 32 clips of two seconds, of which the last 8 of each class by name are the test. Hard:
# statistics of motion are at chance here, and 16 test clips leave wide intervals.
. "$(dirname "$0")/lib.sh"
need video/surv_fight_subset

for part in train test; do echo path,label >"$part.csv"; done
for class in fight noFight; do
  files=("$DATA"/video/surv_fight_subset/$class/*.mp4)
  for i in "${!files[@]}"; do
    part=train
    [ "$i" -lt $((${#files[@]} - 8)) ] || part=test
    echo "${files[$i]},$class" >>"$part.csv"
  done
done

settings=(--frames 16 --size "${SIZE:-112}")
step tokenize mt-tokenize video --manifest train.csv "${settings[@]}" --model "$MODEL" --fit fight.tokenizer.h5 -o fight.train.tokens.h5
step tokenize mt-tokenize video --manifest test.csv --model "$MODEL" --model fight.tokenizer.h5 -o fight.test.tokens.h5
probe fight
features=$accuracy

# 16 frames of 28 x 28 as one row, without any encoder.
for part in train test; do
  step patches mt-tokenize video --manifest $part.csv --size 28 --patch 28 --tubelet 16 --patches -o "fight.$part.patches.h5"
done
baseline fight
pixels=$accuracy accuracy=$features
row video surv_fight_subset fight "pixels of 16 x 28 x 28: $pixels; published, all 300 clips: 72 %"
