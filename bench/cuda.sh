#!/bin/bash
# What a card does with the encoder: ours from memory and from disk, and PyTorch's compiled model with fused attention.
#   bench/cuda.sh [FOLDER]           FOLDER keeps weights and tokens (default build/cuda-bench)
# Settings: SAMPLES=20000 BATCHES="64 256" PYTHON=python3 MT_BIN=build/release/bin
# Needs a build with -DMT_BUILD_BENCH=ON and a card; PyTorch is found if it is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mkdir -p "${1:-$root/build/cuda-bench}" && cd "${1:-$root/build/cuda-bench}" && pwd)
SAMPLES=${SAMPLES:-20000} BATCHES=${BATCHES:-64 256} PYTHON=${PYTHON:-python3} MT_BIN=${MT_BIN:-$root/build/release/bin}

"$MT_BIN/mt-inspect" --devices
"$MT_BIN/mt-inspect" --devices --json | grep -q '"device": "cuda:' || { echo "no card: nothing to measure" >&2; exit 1; }
"$MT_BIN/mt-bench" --only cards --json "$folder/cards.json"

[ -f "$folder/b16.h5" ] || "$MT_BIN/mt-convert" random:b16 -o "$folder/b16.h5"
cd "$here/peers"
[ -f "$folder/tokens.h5" ] || "$PYTHON" workload.py b16 "$SAMPLES" "$folder/tokens.h5"
for dtype in f32 bf16 f16; do
  "$MT_BIN/mt-encode" "$folder/tokens.h5" --model "$folder/b16.h5" --device cuda --dtype $dtype --json --quiet --force \
    -o "$folder/features.h5" |
    "$PYTHON" -c "import json, sys; r = json.load(sys.stdin); print(f'mt-encode from disk $dtype {r[\"samples\"] / r[\"seconds\"]:.0f} samples/s')"
done
if "$PYTHON" -c "import torch" 2>/dev/null; then
  [ -f "$folder/b16.safetensors" ] || "$MT_BIN/mt-convert" "$folder/b16.h5" -o "$folder/b16.safetensors"
  for batch in $BATCHES; do
    for variant in compile bf16_compile; do
      "$PYTHON" torch_peer.py $variant b16 "$batch" "$folder/b16.safetensors" --device cuda
    done
  done
fi
