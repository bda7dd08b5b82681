#!/bin/bash
# Ours and the peers that are installed, on the same tokens and weights, one after the other:
#   bench/peers/run.sh [FOLDER]      FOLDER keeps weights, graphs and tokens (default build/peers)
# Settings: SIZES="b16 l14" BATCHES="1 8 32" THREADS=2 SECONDS_EACH=6 PYTHON=python3 MT_BIN=build/release/bin
#   TORCH="sdpa compile bf16_sdpa bf16_compile int8_compile"   (int8_compile compiles for minutes)
# Columns: who, precision, size, batch, samples/s, GFLOP/s, peak memory in MB, relative error against PyTorch in float32.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mkdir -p "${1:-$root/build/peers}" && cd "${1:-$root/build/peers}" && pwd)
SIZES=${SIZES:-b16} BATCHES=${BATCHES:-1 8 32} THREADS=${THREADS:-2} SECONDS_EACH=${SECONDS_EACH:-6} PYTHON=${PYTHON:-python3}
MT_BIN=${MT_BIN:-$root/build/release/bin}
export OMP_NUM_THREADS=$THREADS
has() { "$PYTHON" -c "import $1" 2>/dev/null; }
each=(--threads "$THREADS" --seconds "$SECONDS_EACH")
cd "$here"

ours() { # size, batch: as many samples as take about SECONDS_EACH, in batches of that size
  local size=$1 batch=$2 tokens width samples
  read -r tokens width <<<"$("$PYTHON" -c "import workload; s = workload.SIZES['$size']; print(s['tokens'], s['width'])")"
  samples=$((batch > 32 ? batch : 32))
  "$PYTHON" workload.py "$size" "$samples" "$folder/$size.tokens.h5"
  for dtype in f32 bf16 int8; do
    /usr/bin/env time -f %M -o "$folder/memory" "$MT_BIN/mt-encode" "$folder/$size.tokens.h5" --model "$folder/$size.h5" \
      --dtype $dtype --threads "$THREADS" --budget $((batch * tokens)) --layers "$([ "$size" = b16 ] && echo 12 || echo 24)" \
      --pool tokens --profile --json --force --quiet -o "$folder/ours.h5" >"$folder/ours.json" 2>/dev/null
    "$PYTHON" - "$size" "$batch" "$samples" $dtype "$folder" <<'PYTHON'
import json, sys
import h5py, numpy as np
import workload
size, batch, samples, dtype, folder = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
rate = samples / json.load(open(folder + "/ours.json"))["profile"]["seconds"]
features = h5py.File(folder + "/ours.h5")["features"][: workload.SIZES[size]["tokens"] - 1]
error = ""
try:
    exact = np.load(f"{folder}/{size}.reference.npy")[1:]  # the class token is not among --pool tokens
    error = f"{np.linalg.norm(features - exact) / np.linalg.norm(exact):.1e}"
except OSError:
    pass
memory = int(open(folder + "/memory").read().split()[-1]) / 1024
print(f"{'mt-encode':<32} {dtype:<5} {size} {batch:>3} {rate:9.3f} {workload.gflop(size) * rate:9.1f} {memory:8.0f}  {error}")
PYTHON
  done
}

for size in $SIZES; do
  weights=$folder/$size.safetensors reference=$folder/$size.reference.npy
  [ -f "$folder/$size.h5" ] || "$MT_BIN/mt-convert" random:$size -o "$folder/$size.h5"
  [ -f "$weights" ] || "$MT_BIN/mt-convert" "$folder/$size.h5" -o "$weights"
  if has torch && [ ! -f "$reference" ]; then "$PYTHON" torch_peer.py plain "$size" 1 "$weights" --save "$reference"; fi
  if has onnx; then
    for variant in plain fused int8; do
      [ -f "$folder/${size}_$variant.onnx" ] || "$PYTHON" onnx_graph.py $variant "$size" "$weights" "$folder/${size}_$variant.onnx"
    done
  fi
  for batch in $BATCHES; do
    ours "$size" "$batch"
    if has torch; then
      for variant in ${TORCH:-sdpa compile bf16_sdpa bf16_compile int8_compile}; do
        "$PYTHON" torch_peer.py $variant "$size" "$batch" "$weights" --reference "$reference" "${each[@]}" 2>/dev/null ||
          echo "torch $variant failed"
      done
    fi
    if has onnxruntime; then
      for variant in plain fused int8; do
        dtype=f32; [ $variant = int8 ] && dtype=int8
        "$PYTHON" onnx_peer.py onnxruntime $dtype "$size" "$batch" "$folder/${size}_$variant.onnx" "$reference" "${each[@]}" ||
          echo "onnxruntime $variant failed"
      done
    fi
    if has openvino; then
      for dtype in f32 bf16 int8; do
        "$PYTHON" onnx_peer.py openvino $dtype "$size" "$batch" "$folder/${size}_plain.onnx" "$reference" "${each[@]}" 2>/dev/null ||
          echo "openvino $dtype failed"
      done
    fi
  done
done
