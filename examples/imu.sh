#!/usr/bin/env bash
# Inertial sensors: motions of a smart watch (six channels), epilepsy against everyday movements (three channels), gestures
# of a game controller (one channel, unequal lengths). Windows of blocks of 8 samples, or a convolution over 10.
. "$(dirname "$0")/lib.sh"
sets="BasicMotions Epilepsy PickupGestureWiimoteZ"
for set in $sets; do need "imu/$set"; done

for set in $sets; do
  from=$DATA/imu/$set/$set
  step tokenize mt-tokenize imu "${from}_TRAIN.ts" --fit "$set.tokenizer.h5" --model "$MODEL" --max-tokens 64 -o "$set.train.tokens.h5"
  step tokenize mt-tokenize imu "${from}_TEST.ts" --model "$set.tokenizer.h5" --max-tokens 64 -o "$set.test.tokens.h5"
  probe "$set"
  row imu "$set" "$set" "blocks of 8 samples"
done
