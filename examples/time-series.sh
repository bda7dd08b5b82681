#!/usr/bin/env bash
# Time series, classified: one token a step, and patches of 16 steps; and a forecast of 96 hours from 96 hours.
# The training part of each archive fits the tokenizer, its own test part is scored.
. "$(dirname "$0")/lib.sh"
sets="ItalyPowerDemand ArrowHead GunPoint JapaneseVowels"
for set in $sets; do need "timeseries/$set"; done

for set in $sets; do
  from=$DATA/timeseries/$set/$set
  beside="series of unequal lengths"
  if [ "$set" != JapaneseVowels ]; then
    # The values themselves, all steps of a series as one row.
    step baseline mt-tokenize time-series "${from}_TRAIN.ts" --patches --fit "$set.values.h5" -o "$set.train.patches.h5"
    step baseline mt-tokenize time-series "${from}_TEST.ts" --patches --model "$set.values.h5" -o "$set.test.patches.h5"
    baseline "$set"
    beside="raw values: $accuracy"
  fi
  step tokenize mt-tokenize time-series "${from}_TRAIN.ts" --fit "$set.tokenizer.h5" --model "$MODEL" -o "$set.train.tokens.h5"
  step tokenize mt-tokenize time-series "${from}_TEST.ts" --model "$set.tokenizer.h5" -o "$set.test.tokens.h5"
  probe "$set"
  row time-series "$set" "$set" "$beside"
done
