#!/usr/bin/env bash
# Thermal pictures of solar modules, 24 x 40 pixels: which of 12 states, and (on the same tokens) anomaly or not.
# Of each class the files whose number is a multiple of 5 are the test set.
. "$(dirname "$0")/lib.sh"
set=infrared/InfraredSolarModules
need $set

# Manifests from the data set's JSON: id, path, and a label for each of the two questions.
awk -v images="$DATA/$set/" '
  BEGIN { head = "id\tpath\tstate\tanomaly" }
  /"image_filepath"/ { split($0, word, "\""); path = word[4] }
  /"anomaly_class"/ {
    split($0, word, "\"")
    number = path; gsub(/[^0-9]/, "", number)
    file = (number % 5 == 0 ? "test" : "train") ".tsv"
    if (!(file in begun)) { print head >file; begun[file] = 1 }
    print number "\t" images path "\t" word[4] "\t" (word[4] == "No-Anomaly" ? "no" : "yes") >file
  }' "$DATA/$set/module_metadata.json"

for label in state anomaly; do
  for part in train test; do
    from=(--manifest "$part.tsv" --label-column "$label")
    # Upright pictures, so both sides are stretched: 5 x 5 patches and the class token.
    step tokenize mt-tokenize infrared "${from[@]}" --model "$MODEL" --size 80 --resize stretch -o "$label.$part.tokens.h5"
    # The whole picture as one patch of 40 x 40 grey levels.
    step baseline mt-tokenize infrared "${from[@]}" --patches --size 40 --patch 40 --resize stretch --channels sum \
      -o "$label.$part.patches.h5"
  done
  baseline "$label"
  beside="raw pixels: $accuracy"
  probe "$label"
  row infrared "InfraredSolarModules, $label" "$label" "$beside"
done
