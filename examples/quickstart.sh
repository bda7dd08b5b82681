#!/usr/bin/env bash
# From 70,000 real pictures to a measured accuracy: Fashion-MNIST through a frozen Vision Transformer.
#
# The encoder is the first block of random:small, a seeded random network: it needs no download and shows every step. It has
# learned nothing, so its features are only a fixed, non-linear view of the picture, and further blocks blur that view; a
# linear head on the raw pixels stands beside it as the honest baseline. With a trained checkpoint the commands stay the same,
# and all blocks run: MODEL=b16.h5 SIZE=224 examples/quickstart.sh
set -euo pipefail

PATH=${MT_BIN:-build/release/bin}:$PATH
data=${DATA:-/usr/share/datasets/fashion-mnist}
out=${OUT:-quickstart}
model=${MODEL:-random:small}
size=${SIZE:-112}
layers=${LAYERS-$([ -n "${MODEL:-}" ] || echo 1)}
encoder=$model${layers:+, blocks 1 to $layers}
mkdir -p "$out"

times=()
step() { # name, command...
  local start=$SECONDS name=$1
  shift
  echo "==> $name"
  echo "    $*"
  bash -o pipefail -c "$*"
  echo "    $((SECONDS - start)) s"
  times+=("$(printf '%5d s  %s' $((SECONDS - start)) "$name")")
}

for part in train t10k; do
  step "encode the $part pictures with $encoder" \
    "mt-tokenize image $data/$part-images-idx3-ubyte.gz --model $model --size $size --quiet -o - |" \
    "mt-encode - --model $model --pool mean ${layers:+--layers $layers} -o $out/$part.features.h5"
done
step "learn a linear head on the features" \
  "mt-train-head $out/train.features.h5 -o $out/head.h5"

for part in train t10k; do
  step "take the raw pixels of $part, for the baseline" \
    "mt-tokenize infrared $data/$part-images-idx3-ubyte.gz --patches --size 28 --patch 28 --channels sum -o $out/$part.pixels.h5"
done
# One penalty instead of a sweep: neighbouring pixels are alike, which makes this the slowest fit of all.
step "learn a linear head on the raw pixels" \
  "mt-train-head $out/train.pixels.h5 --l2 1e-3 -o $out/pixels-head.h5"

echo
echo "== Fashion-MNIST, 10,000 test pictures: raw pixels, linear head"
mt-eval "$out/t10k.pixels.h5" --model "$out/pixels-head.h5"
echo
echo "== Fashion-MNIST, 10,000 test pictures: features of $encoder, linear head"
mt-eval "$out/t10k.features.h5" --model "$out/head.h5"
echo
printf '%s\n' "${times[@]}"
echo "Took $SECONDS s in all. The files are in $out/; look at one with: mt-inspect $out/train.features.h5"
