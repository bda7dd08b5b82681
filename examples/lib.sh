# Helpers of the examples. Each example takes a real data set through the whole pipeline, as a user would, and prints one row
# of a Markdown table on standard output; everything else goes to standard error. examples/all.sh runs them all under one heading.
#
#   . "$(dirname "$0")/lib.sh"
#   need image/cifar10_subset                                    # skips (status 77) where the data set is absent
#   step tokenize mt-tokenize image "$DATA/..." -o cifar10.train.tokens.h5
#   step tokenize mt-tokenize image "$DATA/..." -o cifar10.test.tokens.h5
#   probe cifar10                                                # encode both, train a linear head, score: leaves $accuracy
#   row image cifar10_subset cifar10 "raw pixels: ..."           # prints the row, and starts the clocks anew
#
# Settings, all from the environment:
#   MT_BIN   where the programs are        [build/release/bin]
#   DATA     a folder with the data sets   [../shared/data beside the checkout]
#   MODEL    the encoder                   [random:tiny: it has learned nothing; see the README]
#   POOL     how mt-encode pools           [mean]
#   OUT      where the files go            [build/examples/NAME]
set -euo pipefail
export LC_ALL=C

checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
MT_BIN=$(realpath -m "${MT_BIN:-$checkout/build/release/bin}")
DATA=$(realpath -m "${DATA:-$checkout/../shared/data}")
MODEL=${MODEL:-random:tiny}
POOL=${POOL:-mean}
[ ! -e "$MODEL" ] || MODEL=$(realpath "$MODEL")
OUT=${OUT:-$checkout/build/examples/$(basename "$0" .sh)}
PATH=$MT_BIN:$PATH
command -v mt-tokenize >/dev/null || { echo "$0: no mt-tokenize in $MT_BIN (build it, or set MT_BIN)" >&2; exit 1; }
mkdir -p "$OUT" && cd "$OUT"
# Outputs of an earlier run would be recognised and left alone, which takes no time.
rm -f -- *.h5 *.h5.part

declare -A seconds

need() { # data sets, relative to $DATA
  local set
  for set in "$@"; do
    [ -e "$DATA/$set" ] || { echo "$0: skipped: $DATA/$set is not there (set DATA to a folder with the data sets)" >&2; exit 77; }
  done
}

# Runs a command, says so, and adds its seconds to the step: tokenize, encode, train and eval are shown in the row, any other
# name (baseline, say) is not. Status 3 means that some samples were rejected and listed, and the rest is there.
step() { # name, command...
  local name=$1 status=0 start=$EPOCHREALTIME took
  shift
  echo "==> $name: $*" >&2
  "$@" || status=$?
  [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || { echo "$0: $name failed with status $status" >&2; exit "$status"; }
  took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
  seconds[$name]=$(awk -v a="${seconds[$name]:-0}" -v b="$took" 'BEGIN { printf "%.2f", a + b }')
  echo "    $took s" >&2
}

# Scores a head on features and leaves the metric with its 95 % interval in $accuracy: "45.1 % [41.6, 48.5]".
score() { # step, head, features, options of mt-eval...
  step "$1" mt-eval "$3" --model "$2" "${@:4}" >report.txt
  sed 's/^/    /' report.txt >&2
  accuracy=$(awk '$1 == "accuracy" { gsub(/[][,]/, " "); printf "%.1f %% [%.1f, %.1f]", 100 * $2, 100 * $3, 100 * $4 }' report.txt)
}

# NAME.train.tokens.h5 and NAME.test.tokens.h5 through the encoder and a linear head. Options of mt-train-head may follow.
probe() { # name, options...
  local name=$1 part
  for part in train test; do
    step encode mt-encode "$name.$part.tokens.h5" --model "$MODEL" --pool "$POOL" -o "$name.$part.features.h5"
  done
  step train mt-train-head "$name.train.features.h5" "${@:2}" -o "$name.head.h5"
  score eval "$name.head.h5" "$name.test.features.h5"
}

# The same linear head on NAME.train.patches.h5 (one row a sample), without any encoder: what the features have to beat.
baseline() { # name, options...
  step baseline mt-train-head "$1.train.patches.h5" "${@:2}" -o "$1.baseline.h5"
  score baseline "$1.baseline.h5" "$1.test.patches.h5"
}

# Manifests PREFIX.train.csv and PREFIX.test.csv of the spoken digits: the official split, in which the first five takes of each
# speaker and digit are the test.
digit_manifests() { # prefix
  local part file name digit speaker take
  for part in train test; do echo path,label,id >"$1.$part.csv"; done
  for file in "$DATA"/audio/fsdd_subset/recordings/*.wav; do
    name=$(basename "$file" .wav)
    IFS=_ read -r digit speaker take <<<"$name"
    part=train
    [ "$take" -gt 4 ] || part=test
    echo "$file,$digit,$name" >>"$1.$part.csv"
  done
}

# Manifests PREFIX.train.tsv and PREFIX.test.tsv of the scanned objects. NNN.xyz: the class is NNN / 100; every fifth is for the
# test, or every N-th.
object_manifests() { # prefix, N
  local set=pointcloud/dales_objects_subset
  ls "$DATA/$set" | awk -F. -v folder="$DATA/$set" -v prefix="$1" -v every="${2:-5}" '
    BEGIN { split("building car fence pole tree", kind, " "); file[0] = prefix ".train.tsv"; file[1] = prefix ".test.tsv"
            for (part in file) print "path\tlabel" >file[part] }
    $2 == "xyz" { print folder "/" $0 "\t" kind[int($1 / 100) + 1] >file[$1 % every == 0] }'
}

number_of() { # key, file
  mt-inspect --json "$2" | awk -v key="\"$1\":" '$1 == key { gsub(/,/, ""); print $2; exit }'
}

row() { # modality, data set, name, what stands beside the accuracy
  local train=$3.train.tokens.h5 test=$3.test.tokens.h5
  printf '| %s | %s | %s + %s | %.0f | %.1f s | %.1f s | %.1f s | %.1f s | %s | %s |\n' "$1" "$2" \
    "$(number_of samples "$train")" "$(number_of samples "$test")" "$(number_of mean "$train")" \
    "${seconds[tokenize]}" "${seconds[encode]}" "${seconds[train]}" "${seconds[eval]}" "$accuracy" "$4"
  seconds=()
}
