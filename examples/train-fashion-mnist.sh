#!/usr/bin/env bash
# A small Vision Transformer trained whole on the 60,000 training pictures of Fashion-MNIST, and scored on its 10,000 test
# pictures. It begins with random:tiny, 6 blocks of width 192: 2.7 million parameters, none of which has learned anything.
set -euo pipefail

PATH=${MT_BIN:-build/release/bin}:$PATH
data=${DATA:-/usr/share/datasets/fashion-mnist}
out=${OUT:-fashion-mnist}
mkdir -p "$out"

# 28 x 28 grey pixels as 49 patches of 4 x 4. The best epoch on 3,000 held-out training pictures is kept.
mt-tokenize infrared "$data/train-images-idx3-ubyte.gz" --patches --size 28 --patch 4 --channels sum -o "$out/train.patches.h5"
mt-train-head "$out/train.patches.h5" --model random:tiny --new-tokenizer --train head,tokenizer,encoder --pool mean \
  --validation 0.05 --epochs "${EPOCHS:-14}" --batch 128 --learning-rate 1e-3 --warm-up 0.5 --weight-decay 0.05 --no-standardise \
  --augment flip,shift:1 --log "$out/train.jsonl" ${RESUME:+--resume} -o "$out/model.h5"
mt-tokenize infrared "$data/t10k-images-idx3-ubyte.gz" --model "$out/model.h5" -o - |
  mt-encode - --model "$out/model.h5" -o "$out/t10k.features.h5"
mt-eval "$out/t10k.features.h5" --model "$out/model.h5"
echo "Took $SECONDS s in all."
