#!/usr/bin/env bash
# Sentiment of 9,613 sentences (SST-2), as BERT's word pieces. The table of words is initialised from a seed.
. "$(dirname "$0")/lib.sh"
set=text/SST2
vocabulary=text/bert-base-uncased-vocab/vocab.txt
need $set $vocabulary

columns=(--column 1 --label-column 2)
step tokenize mt-tokenize text "$DATA/$set/train.tsv" "${columns[@]}" --vocab "$DATA/$vocabulary" --model "$MODEL" --fit text.h5 -o sst2.train.tokens.h5
for part in dev test; do
  step tokenize mt-tokenize text "$DATA/$set/$part.tsv" "${columns[@]}" --model text.h5 -o "sst2.$part.tokens.h5"
done
step encode mt-encode sst2.dev.tokens.h5 --model "$MODEL" --pool "$POOL" -o sst2.dev.features.h5
probe sst2 --validation sst2.dev.features.h5

# A head on the mean of the tokens: the words alone, without any encoder.
for part in train dev test; do
  step baseline mt-encode "sst2.$part.tokens.h5" --model "$MODEL" --layers 0 --pool mean -o "sst2.$part.words.h5"
done
encoded=$accuracy
step baseline mt-train-head sst2.train.words.h5 --validation sst2.dev.words.h5 -o sst2.words-head.h5
score baseline sst2.words-head.h5 sst2.test.words.h5
beside="mean of the words' vectors: $accuracy"
accuracy=$encoded
row text SST2 sst2 "$beside"
