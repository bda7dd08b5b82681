#!/usr/bin/env bash
# What it brings to learn the tokenizer through the frozen encoder: for each modality a linear head on cached features of the
# untrained tokenizer, and the same model with tokenizer and head learned together. Both are scored on the same test samples, with
# 95 % intervals.
#
#   examples/learn.sh                     all modalities
#   examples/learn.sh audio graph         some of: image audio point-cloud time-series imu tabular graph text
. "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || set -- image audio point-cloud time-series imu tabular graph text

# Two ways to the same test samples. OF is a command that tokenizes a part (train or test) with the options given to it; of what
# follows, options before -- go with the fit, options behind it to mt-train-head.
compare() { # modality, data set, name, OF, options...
  local modality=$1 set=$2 name=$3 of=$4 fit=() tokenizer=("$3.tokenizer.h5") part cached
  shift 4
  while [ "$1" != -- ]; do fit+=("$1"); shift; done
  shift
  if [ "$modality" = image ]; then # its tokenizer is the model's own
    tokenizer=()
    step cut "$of" train --patches --model "$MODEL" "${fit[@]}" -o "$name.train.patches.h5"
  else
    step cut "$of" train --patches --fit "${tokenizer[0]}" --model "$MODEL" "${fit[@]}" -o "$name.train.patches.h5"
  fi
  for part in train test; do
    step tokenize "$of" $part --model "${tokenizer[0]:-$MODEL}" $([ "$modality" != image ] || echo "${fit[@]}") -o "$name.$part.tokens.h5"
    step encode mt-encode "$name.$part.tokens.h5" --model "$MODEL" --pool "$POOL" -o "$name.$part.features.h5"
  done
  step cached mt-train-head "$name.train.features.h5" -o "$name.head.h5"
  score eval "$name.head.h5" "$name.test.features.h5"
  cached=$accuracy
  step learn mt-train-head "$name.train.patches.h5" --model "$MODEL" ${tokenizer[0]:+--model "${tokenizer[0]}"} --pool "$POOL" \
    --train head,tokenizer --log "$name.jsonl" --force "$@" -o "$name.learned.h5"
  step tokenize "$of" test --model "$name.learned.h5" $([ "$modality" != image ] || echo "${fit[@]}") -o "$name.learned.tokens.h5"
  step encode mt-encode "$name.learned.tokens.h5" --model "$name.learned.h5" -o "$name.learned.features.h5"
  score eval "$name.learned.h5" "$name.learned.features.h5"
  printf '| %s | %s | %s + %s | %s | %s | %.0f s |\n' "$modality" "$set" "$(number_of samples "$name.train.features.h5")" \
    "$(number_of samples "$name.test.features.h5")" "$cached" "$accuracy" "${seconds[learn]}"
  seconds=()
}

image() { mt-tokenize image "$DATA/image/cifar10_subset/$1" --labels directory "${@:2}"; }
audio() { mt-tokenize audio --manifest "fsdd.$1.csv" "${@:2}"; }
cloud() { mt-tokenize point-cloud --manifest "dales.$1.tsv" "${@:2}"; }
series() { mt-tokenize time-series "$DATA/timeseries/ArrowHead/ArrowHead_${1^^}.ts" "${@:2}"; }
imu() { mt-tokenize imu "$DATA/imu/Epilepsy/Epilepsy_${1^^}.ts" --max-tokens 64 "${@:2}"; }
adult() { mt-tokenize tabular "adult.$1.csv" --no-header --label 15 "${@:2}"; }
graph() { mt-tokenize graph "$DATA/graph/TU_PROTEINS" --only "graph.$1.txt" "${@:2}"; }
text() { mt-tokenize text "$DATA/text/SST2/$1.tsv" --column 1 --label-column 2 "${@:2}"; }

echo '| modality | data set | train + test | cached features, untrained tokenizer | tokenizer and head learned | learning |'
echo '|---|---|---|---|---|---|'
for modality in "$@"; do
  case $modality in
    image)
      need image/cifar10_subset
      compare image cifar10_subset cifar10 image --size 64 -- --epochs 10 --augment flip,shift:4
      ;;
    audio)
      need audio/fsdd_subset
      digit_manifests fsdd
      compare audio fsdd_subset fsdd audio --rate 8000 --bins 64 --length 64 -- --epochs 20 --augment mask:0.2,noise:0.1
      ;;
    point-cloud)
      need pointcloud/dales_objects_subset
      object_manifests dales
      compare point-cloud dales_objects_subset dales cloud --scale sphere --centers 64 -- --epochs 20 --batch 16 --augment rotate,gain:0.1
      ;;
    time-series)
      need timeseries/ArrowHead
      compare time-series ArrowHead arrow series --embedding patch -- --epochs 60 --batch 12 --augment noise:0.05
      ;;
    imu)
      need imu/Epilepsy
      compare imu Epilepsy epilepsy imu -- --epochs 30 --batch 16 --augment noise:0.1,gain:0.1
      ;;
    tabular) # 6,000 rows of the usual training part, and the last fifth as test
      need tabular/adult/adult.data
      head -n 6000 "$DATA/tabular/adult/adult.data" >adult.train.csv
      tail -n +26049 "$DATA/tabular/adult/adult.data" | grep , >adult.test.csv
      compare tabular adult adult adult --missing '?' --drop 4 --scale quantile -- --epochs 8
      ;;
    graph)
      need graph/TU_PROTEINS
      awk '{ print "PROTEINS#" NR >(NR % 4 == 0 ? "graph.test.txt" : "graph.train.txt") }' \
        "$DATA/graph/TU_PROTEINS/PROTEINS_graph_labels.txt"
      compare graph TU_PROTEINS proteins graph -- --epochs 6 --batch 32
      ;;
    text)
      need text/SST2 text/bert-base-uncased-vocab/vocab.txt
      compare text SST2 sst2 text --vocab "$DATA/text/bert-base-uncased-vocab/vocab.txt" -- --epochs 4 --augment drop:0.1
      ;;
    *) echo "$0: $modality is not among the modalities" >&2; exit 2 ;;
  esac
done
