# Tokenizer, encoder and head that learn together from patches: the whole circle, what is frozen, killed and resumed.
. "$(dirname "$0")/lib.sh"

# Series of one channel and two classes, of 20 to 27 steps: noise around a slope that rises or falls.
cases() { # cases, seed, file
  awk -v n="$1" -v seed="$2" 'BEGIN {
    srand(seed); print "@problemName made\n@univariate true\n@classLabel true falls rises\n@data"
    for (i = 0; i < n; ++i) for (t = 0; t < 20 + i % 8; ++t)
      printf "%.4f%s", (i % 2 ? 1 : -1) * t / 12 + 2 * rand(), t < 19 + i % 8 ? "," : i % 2 ? ":rises\n" : ":falls\n"
  }' >"$3"
}
number() { sed -n "s/^ *\"$1\": \([0-9.e-]*\),*$/\1/p" "$2" | head -n 1; }

cases 40 1 train.ts
cases 30 2 val.ts
case_ "mt-tokenize: --patches --fit with an encoder writes a tokenizer that can learn"
run mt-tokenize time-series train.ts --embedding patch --patches --fit tokenizer.h5 --model random:tiny --quiet -o train.patches.h5
expect_status 0
run mt-tokenize time-series val.ts --patches --model tokenizer.h5 --quiet -o val.patches.h5
expect_status 0
run mt-inspect --json tokenizer.h5
expect_stdout '"embedding"'

once="mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 --validation val.patches.h5 --batch 10 --quiet"
learn="$once --epochs 3"
case_ "mt-train-head: what learned from patches serves every program, and scores as it did in training"
run mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 --validation val.patches.h5 --batch 10 --epochs 3 \
  --log run.jsonl -o task.h5
expect_status 0
expect_stderr "head, tokenizer: "
expect_stderr "on 30 validation samples"
run mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 --validation val.patches.h5 --batch 10 --epochs 3 \
  --quiet --json --force -o task.h5
expect_status 0
trained=$(number accuracy stdout)
run_pipe "mt-tokenize time-series val.ts --model task.h5 --quiet -o - | mt-encode - --model task.h5 --strict --quiet -o val.features.h5"
expect_status 0
run mt-eval val.features.h5 --model task.h5 --json --quiet --bootstrap 0
expect_status 0
check "mt-eval says $(number accuracy stdout), training said $trained" [ "$(number accuracy stdout)" = "$trained" ]
check "it has learned" awk -v a="$trained" 'BEGIN { exit !(a > 0.8) }'

case_ "mt-inspect: says what was trained, on what, how many parameters"
run mt-inspect task.h5
expect_stdout "tokenizer/time-series"
expect_stdout "training.parameters.trained"
expect_stdout 'training.train = ["head","tokenizer"]'
check "the log has a line for each step and epoch" [ "$(wc -l <run.jsonl)" -eq 15 ]
check "the log tells loss, rate, gradient norm and speed" grep -q '"gradient_norm".*"loss".*"rate".*"samples_per_s"' run.jsonl

case_ "mt-train-head: the same bytes for any number of threads, other bytes for other settings"
run $learn --threads 1 -o one.h5
run $learn --threads 3 -o three.h5
expect_status 0
expect_same one.h5 three.h5
number=0
for options in "--seed 1" "--train head" "--train head,tokenizer,encoder" "--train head,tokenizer,encoder --train-encoder norms" \
  "--train head,encoder --train-encoder biases --train-blocks 4-5" "--train head,tokenizer,encoder --train-encoder lora:2" \
  "--pool mean" "--tokenizer-rate 1e-4" "--train head,tokenizer,encoder --encoder-rate 1e-4 --layer-decay 0.8" "--ema 0.9" \
  "--augment drop:0.2,noise:0.1,gain:0.1" "--hidden 8 --dropout 0.1" "--budget 20" "--clip 0" "--warm-up 1" \
  "--optimizer sgd --learning-rate 0.01" "--no-standardise" "--label-smoothing 0.1" "--class-weights balanced --select loss" \
  "--stochastic-depth 0.1 --train head,tokenizer,encoder" "--loss focal:1" "--loss focal" "--loss bce" "--loss bce --label-smoothing 0.1" \
  $(cpu_precisions | grep -qw bf16 && echo "--dtype=bf16"); do
  number=$((number + 1))
  run $once $options --epochs 1 -o other$number.h5
  expect_status 0
  check "$options changes the model" bash -c "! cmp -s other$number.h5 one.h5"
  [ "$number" -eq 1 ] || check "$options is a setting of its own" bash -c "! cmp -s other$number.h5 other$((number - 1)).h5"
done
run $learn --recompute always -o recomputed.h5
expect_same recomputed.h5 one.h5

case_ "mt-train-head: a killed run goes on to the same bytes"
for after in 0.3 0.8; do
  rm -f killed.h5 killed.h5.part
  $learn --checkpoint 0 -o killed.h5 2>/dev/null &
  pid=$!
  sleep "$after"
  kill -9 "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
  [ -e killed.h5 ] || { run $learn --checkpoint 0 --resume -o killed.h5; expect_status 0; }
  expect_same killed.h5 one.h5
  expect_absent killed.h5.part
done

case_ "mt-train-head: says what does not go together"
run mt-train-head train.patches.h5 --model random:tiny -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "has no tokenizer for time-series (add --model with the file that mt-tokenize --fit wrote)"
run mt-tokenize time-series train.ts --patches --fit bare.h5 --quiet -o bare.patches.h5
run mt-train-head bare.patches.h5 --model random:tiny --model bare.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "has statistics, but no embedding"
for options in "--train tokenizer" "--train head,everything" "--kind knn" "--optimizer lbfgs" "--train-encoder all" \
  "--train head,encoder --train-encoder some" "--train head,encoder --train-blocks 5-2" "--augment flip" "--pool tokens" \
  "--new-tokenizer" "--loss mse" "--loss hinge" "--loss focal:-1" "--task regression --loss focal" "--loss focal --label-smoothing 0.1" \
  "--task regression --class-weights balanced" "--augment crop:0.5"; do
  run mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 $options -o no.h5
  expect_status 2
  expect_absent no.h5
done
run mt-train-head train.patches.h5 --train head,tokenizer -o no.h5
expect_status 2
expect_stderr "has no effect on cached features"
run mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 --dry-run
expect_status 0
expect_stdout "samples: 36 train, 4 validate"
expect_absent no.h5
expect_stdout "parameters: 386 of the head, "

case_ "mt-train-head: goes on from the head of a file, learned on cached features"
run_pipe "mt-tokenize time-series train.ts --model tokenizer.h5 --quiet -o - | mt-encode - --model random:tiny --quiet -o train.features.h5"
expect_status 0
run mt-train-head train.features.h5 --quiet -o head.h5
expect_status 0
run mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 --model head.h5 --validation val.patches.h5 --epochs 1 \
  --learning-rate 1e-9 --json --quiet -o begun.h5
expect_status 0
begun=$(number accuracy stdout)
run_pipe "mt-tokenize time-series val.ts --model tokenizer.h5 --quiet -o - | mt-encode - --model random:tiny --quiet -o - | mt-eval - --model head.h5 --json --bootstrap 0 --quiet"
expect_status 0
check "the head scores $(number accuracy stdout), training began at $begun" [ "$(number accuracy stdout)" = "$begun" ]

case_ "mt-train-head: draws the run, whole and resumed alike, and replaces nothing unasked"
run $learn --force --curve run.svg -o curve.h5
expect_status 0
expect_same curve.h5 one.h5
check "an SVG picture" grep -q "^<svg" run.svg
check "of loss and accuracy, of training and validation" [ "$(grep -c '<polyline' run.svg)" -eq 4 ]
run $learn --curve run.svg -o curve2.h5
expect_status 1
expect_stderr "run.svg: "
expect_absent curve2.h5
run mt-train-head train.features.h5 --curve probe.svg --quiet -o probe.h5
expect_status 0
expect_file probe.svg

case_ "mt-train-head: learns numbers from patches, and mt-eval scores them as training did"
{ echo "size,colour,price,weight,cheap"
  awk 'BEGIN { srand(3); for (i = 0; i < 160; ++i) { size = rand(); red = i % 2
    printf "%.4f,%s,%.3f,%.4f,%d\n", size, red ? "red" : "blue", 1000 * (size + red), size - red, size + red < 1 } }'; } >table.csv
head -n 121 table.csv >table.train.csv
{ head -n 1 table.csv; tail -n 40 table.csv; } >table.test.csv
columns="--target price --target weight"
run mt-tokenize tabular table.train.csv $columns --drop cheap --patches --fit table.h5 --model random:tiny --quiet -o table.patches.h5
expect_status 0
run mt-tokenize tabular table.test.csv $columns --patches --model table.h5 --quiet -o table.test.patches.h5
expect_status 0
for loss in mse huber:0.5 l1; do
  run mt-train-head table.patches.h5 --model random:tiny --model table.h5 --task regression --loss $loss --pool mean --epochs 8 --batch 10 \
    --validation table.test.patches.h5 --json --quiet --force -o numbers.h5
  expect_status 0
  trained=$(number mse stdout)
  run_pipe "mt-tokenize tabular table.test.csv $columns --model numbers.h5 --quiet -o - | mt-encode - --model numbers.h5 --quiet --force -o numbers.features.h5"
  expect_status 0
  run mt-eval numbers.features.h5 --model numbers.h5 --json --quiet
  expect_status 0
  check "--loss $loss: mt-eval says mse $(number mse stdout), training said $trained" \
    awk -v a="$(number mse stdout)" -v b="$trained" 'BEGIN { exit !(a > 0 && (a - b) ^ 2 <= 1e-6 * b ^ 2) }'
  check "--loss $loss: it has learned" awk -v r="$(number r2 stdout)" 'BEGIN { exit !(r > 0.8) }'
done
run mt-train-head train.patches.h5 --model random:tiny --model tokenizer.h5 --task regression -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "has no /targets"

case_ "mt-train-head: several labels at once"
columns="--target cheap"
run mt-tokenize tabular table.train.csv $columns --drop price --drop weight --patches --fit labels.h5 --model random:tiny --quiet -o labels.patches.h5
run mt-train-head labels.patches.h5 --model random:tiny --model labels.h5 --task regression --loss bce --pool mean --epochs 8 --batch 10 \
  --quiet -o shares.h5
expect_status 0
run_pipe "mt-tokenize tabular table.test.csv $columns --model shares.h5 --quiet -o - | mt-encode - --model shares.h5 --quiet -o shares.features.h5"
run mt-eval shares.features.h5 --model shares.h5 --predictions shares.csv
expect_status 0
expect_stdout "accuracy"
check "it has learned" awk '$1 == "accuracy" { right = $2 > 0.85 } END { exit !right }' stdout
check "it predicts probabilities" awk -F, 'NR > 1 && !($2 > 0 && $2 < 1) { wrong = 1 } END { exit wrong }' shares.csv

case_ "mt-train-head: sees parts of larger pictures in store"
images="$MT_SOURCE/tests/golden/images"
mkdir -p pictures/a pictures/b
count=0
for picture in $(ls "$images"/*.png | head -n 6); do cp "$picture" pictures/$([ $((count % 2)) -eq 0 ] && echo a || echo b)/$count.png; count=$((count + 1)); done
run mt-tokenize image pictures --labels directory --patches --model random:tiny --size 32 --store-size 64 --quiet -o pictures.patches.h5
expect_status 0
run mt-inspect pictures.patches.h5
expect_stdout "learn_size"
run mt-train-head pictures.patches.h5 --model random:tiny --augment crop:0.3,flip,cutmix:1 --validation 0 --epochs 2 --quiet -o pictures.h5
expect_status 0
run_pipe "mt-tokenize image pictures --labels directory --model pictures.h5 --quiet -o - | mt-encode - --model pictures.h5 --quiet -o pictures.features.h5"
expect_status 0
run mt-tokenize image pictures --labels directory --model pictures.h5 --quiet -o pictures.tokens.h5
run mt-inspect pictures.tokens.h5
expect_stdout "rows a sample  5"
run mt-tokenize image pictures --model random:tiny --store-size 64 --quiet -o no.h5
expect_status 2
