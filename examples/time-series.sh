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

# A forecast: the first 12 months train, the next 4 choose the penalty, the last 4 test. Mean squared error of z-scored values.
forecast() { # what to call it, options that fit the tokenizer...
  local name=ETTh1-$1 part from=("$DATA/timeseries/ETT/ETTh1.csv" --context 96 --horizon 96 --split-lengths months:12,4,4)
  for part in train val test; do
    local model=(--model "$name.tokenizer.h5")
    [ $part != train ] || model=(--fit "$name.tokenizer.h5" --model "$MODEL" "${@:2}")
    step tokenize mt-tokenize time-series "${from[@]}" --split $part "${model[@]}" -o "$name.$part.tokens.h5"
    step encode mt-encode "$name.$part.tokens.h5" --model "$MODEL" --pool tokens -o "$name.$part.features.h5"
  done
  step train mt-train-head "$name.train.features.h5" --task regression --validation "$name.val.features.h5" -o "$name.head.h5"
  step eval mt-eval "$name.test.features.h5" --model "$name.head.h5" >report.txt
  sed 's/^/    /' report.txt >&2
  accuracy=$(awk '$1 == "mse" { mse = $2 } $1 == "mae" { printf "MSE %.3f, MAE %.3f", mse, $2 }' report.txt)
  row time-series "ETTh1, $1" "$name" "published MSE: PatchTST 0.370, Autoformer 0.449"
}
if [ -e "$DATA/timeseries/ETT/ETTh1.csv" ]; then
  # Each channel on its own, 12 tokens of 16 hours.
  forecast patch --embedding patch
fi
