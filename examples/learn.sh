#!/usr/bin/env bash
# What it brings to learn the tokenizer through the frozen encoder: for each modality a linear head on cached features of the
# untrained tokenizer (its penalty chosen on a tenth of the training samples, then refitted on all of them), and the same model
# with tokenizer and head learned together, on the same samples: from a fresh head, the best epoch chosen on a tenth of them; or,
# where that head is hard to beat, beginning from it (--model NAME.head.h5), on all of them. Both are scored on the same test
# samples, with 95 % intervals; the difference over these samples has an interval of its own. Settings were chosen once for each
# modality; those of runs without validation samples by cross-validation on the training samples.
#
#   examples/learn.sh                     all modalities
#   examples/learn.sh audio graph         some of: image audio point-cloud time-series imu tabular graph text
. "$(dirname "$0")/lib.sh"
[ $# -gt 0 ] || set -- image audio point-cloud time-series imu tabular graph text

# Two files of predictions for the same samples -> "+1.2 [+0.4, +2.0]": how much more often the second one is right.
difference() { # predictions, predictions
  awk -F, 'FNR == 1 { next } NR == FNR { first[FNR] = $2 == $3; next }
    { d = ($2 == $3) - first[FNR]; sum += d; squares += d * d; ++n }
    END { mean = sum / n; half = 1.96 * sqrt((squares / n - mean * mean) / n)
          printf "%+.1f [%+.1f, %+.1f]", 100 * mean, 100 * (mean - half), 100 * (mean + half) }' "$@"
}

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
  score eval "$name.head.h5" "$name.test.features.h5" --predictions "$name.cached.csv" --force
  cached=$accuracy
  step learn mt-train-head "$name.train.patches.h5" --model "$MODEL" ${tokenizer[0]:+--model "${tokenizer[0]}"} --pool "$POOL" \
    --train head,tokenizer --log "$name.jsonl" --curve "$name.svg" --force "$@" -o "$name.learned.h5"
  step tokenize "$of" test --model "$name.learned.h5" $([ "$modality" != image ] || echo "${fit[@]}") -o "$name.learned.tokens.h5"
  step encode mt-encode "$name.learned.tokens.h5" --model "$name.learned.h5" -o "$name.learned.features.h5"
  score eval "$name.learned.h5" "$name.learned.features.h5" --predictions "$name.learned.csv" --force
  printf '| %s | %s | %s + %s | %s | %s | %s | %.0f s |\n' "$modality" "$set" "$(number_of samples "$name.train.features.h5")" \
    "$(number_of samples "$name.test.features.h5")" "$cached" "$accuracy" "$(difference "$name.cached.csv" "$name.learned.csv")" \
    "${seconds[learn]}"
  seconds=()
}

image() { mt-tokenize image "$DATA/image/cifar10_subset/$1" --labels directory "${@:2}"; }
audio() { mt-tokenize audio --manifest "fsdd.$1.csv" "${@:2}"; }
cloud() { mt-tokenize point-cloud --manifest "dales.$1.tsv" --scale sphere --points 32 "${@:2}"; }
series() { mt-tokenize time-series "$DATA/timeseries/ArrowHead/ArrowHead_${1^^}.ts" "${@:2}"; }
motions() { mt-tokenize imu "$DATA/imu/BasicMotions/BasicMotions_${1^^}.ts" "${@:2}"; }
power() { mt-tokenize time-series "$DATA/timeseries/ItalyPowerDemand/ItalyPowerDemand_${1^^}.ts" "${@:2}"; }
epilepsy() { mt-tokenize imu "$DATA/imu/Epilepsy/Epilepsy_${1^^}.ts" --max-tokens 64 "${@:2}"; }
pickup() { mt-tokenize imu "$DATA/imu/PickupGestureWiimoteZ/PickupGestureWiimoteZ_${1^^}.ts" "${@:2}"; }
adult() { mt-tokenize tabular "adult.$1.csv" --no-header --label 15 "${@:2}"; }
graph() { mt-tokenize graph "$DATA/graph/TU_PROTEINS" --only "graph.$1.txt" "${@:2}"; }
nodes() { mt-tokenize graph cora.content --only "cora.$1.txt" "${@:2}"; }
text() { mt-tokenize text "$DATA/text/SST2/$1.tsv" --column 1 --label-column 2 "${@:2}"; }

echo '| modality | data set | train + test | cached features, untrained tokenizer | tokenizer and head learned | difference | learning |'
echo '|---|---|---|---|---|---|---|'
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
    point-cloud) # 32 points of each object, and every second object for the test: more of either, and hardly a mistake is left
      need pointcloud/dales_objects_subset
      object_manifests dales 2
      compare point-cloud 'dales_objects_subset, 32 points' dales cloud --centers 16 --neighbors 8 -- \
        --validation 0 --epochs 20 --batch 16 --augment rotate,gain:0.1
      ;;
    time-series)
      need timeseries/ItalyPowerDemand timeseries/ArrowHead
      compare time-series ItalyPowerDemand power power -- --validation 0 --epochs 30 --batch 10
      compare time-series ArrowHead arrow series --embedding patch -- --epochs 60 --batch 12 --augment noise:0.05
      ;;
    imu)
      need imu/BasicMotions imu/PickupGestureWiimoteZ imu/Epilepsy
      compare imu BasicMotions motions motions -- --validation 0 --epochs 40 --batch 8
      compare imu PickupGestureWiimoteZ pickup pickup -- --model pickup.head.h5 --validation 0 --epochs 15 --batch 10 \
        --learning-rate 3e-4 --tokenizer-rate 3e-3 --augment noise:0.2,gain:0.2,drop:0.2
      compare imu Epilepsy epilepsy epilepsy -- --model epilepsy.head.h5 --validation 0 --epochs 5 --batch 16 \
        --learning-rate 1e-4 --tokenizer-rate 1e-3 --augment noise:0.1,gain:0.1
      ;;
    tabular) # the last fifth is the test
      need tabular/adult/adult.data
      head -n 26048 "$DATA/tabular/adult/adult.data" >adult.train.csv
      tail -n +26049 "$DATA/tabular/adult/adult.data" | grep , >adult.test.csv
      compare tabular adult adult adult --missing '?' --drop 4 --scale quantile -- --model adult.head.h5 --validation 0 --epochs 3 \
        --learning-rate 1e-3 --tokenizer-rate 5e-3
      ;;
    graph)
      python=$(command -v "${PYTHON:-python3}")
      if [ -e "$DATA/graph/planetoid_cora" ] && "$python" -c 'import scipy' 2>/dev/null; then
        "$python" "$checkout/examples/planetoid_text.py" "$DATA/graph/planetoid_cora" cora .
        compare graph 'planetoid_cora, nodes' cora nodes --level node --hops 1 --max-nodes 32 -- --epochs 30 --batch 16
      fi
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
