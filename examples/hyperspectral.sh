#!/usr/bin/env bash
# Two hyperspectral scenes whose pixels belong to the material with the largest reference abundance. A tenth of the pixels,
# drawn at random, trains, all others test.
. "$(dirname "$0")/lib.sh"
need hyperspectral/jasper_ridge hyperspectral/samson

classify() { # name, file and options of the scene...
  local name=$1 part from=("${@:2}" --labels-variable A --split-fraction 0.1)
  # The spectrum as it is, all bands as one row.
  step baseline mt-tokenize hyperspectral "${from[@]}" --split train --patches --fit "$name.values.h5" -o "$name.train.patches.h5"
  step baseline mt-tokenize hyperspectral "${from[@]}" --split test --patches --model "$name.values.h5" -o "$name.test.patches.h5"
  baseline "$name"
  beside="raw spectra: $accuracy"
  step tokenize mt-tokenize hyperspectral "${from[@]}" --split train --fit "$name.tokenizer.h5" --model "$MODEL" -o "$name.train.tokens.h5"
  step tokenize mt-tokenize hyperspectral "${from[@]}" --split test --model "$name.tokenizer.h5" -o "$name.test.tokens.h5"
  probe "$name"
  row hyperspectral "$name" "$name" "$beside"
}

classify jasper_ridge "$DATA/hyperspectral/jasper_ridge/jasperRidge2_R198.mat" --variable Y
classify samson "$DATA/hyperspectral/samson/samson_dataset.mat" --variable Y --size 95x95
