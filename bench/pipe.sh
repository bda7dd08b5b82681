#!/usr/bin/env bash
# From JPEG files to features in one pipe, against the encoder alone on tokens that lie ready:
#
#   bench/pipe.sh FOLDER [COUNT]      COUNT pictures of the folder, taken again and again where it has fewer [64]
#   MODEL=b16.h5 DTYPES="f32 bf16" THREADS=2 bench/pipe.sh photos
set -euo pipefail

PATH=${MT_BIN:-build/release/bin}:$PATH
folder=$1 count=${2:-64}
model=${MODEL:-random:b16} threads=${THREADS:-2}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

mapfile -t files < <(find "$(realpath "$folder")" -iname '*.jp*g' | sort)
[ "${#files[@]}" -gt 0 ] || { echo "pipe.sh: $folder: no JPEG files" >&2; exit 1; }
mkdir "$out/photos"
for ((i = 0; i < count; ++i)); do ln -s "${files[i % ${#files[@]}]}" "$out/photos/$(printf %05d "$i").jpg"; done

now() { date +%s.%N; }
[ -f "$model" ] || { mt-convert "$model" -o "$out/model.h5" --quiet; model=$out/model.h5; }
start=$(now)
mt-tokenize image "$out/photos" --model "$model" --threads "$threads" --quiet -o "$out/tokens.h5"
printf '%-28s %8.1f pictures/s\n' "mt-tokenize alone" "$(awk "BEGIN { print $count / ($(now) - $start) }")"
for dtype in ${DTYPES:-f32 bf16}; do
  start=$(now)
  mt-encode "$out/tokens.h5" --model "$model" --dtype "$dtype" --threads "$threads" --quiet --force -o "$out/alone.h5"
  alone=$(awk "BEGIN { print $(now) - $start }") start=$(now)
  mt-tokenize image "$out/photos" --model "$model" --threads "$threads" --quiet -o - |
    mt-encode - --model "$model" --dtype "$dtype" --threads "$threads" --quiet --force -o "$out/piped.h5"
  piped=$(awk "BEGIN { print $(now) - $start }")
  awk -v name="$dtype" -v n="$count" -v alone="$alone" -v piped="$piped" 'BEGIN {
    printf "%-28s %8.2f pictures/s alone, %8.2f in the pipe: %.3f\n", "mt-encode " name, n / alone, n / piped, alone / piped }'
done
