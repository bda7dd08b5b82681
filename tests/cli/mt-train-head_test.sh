# Heads on cached features: every kind, every option, what does not go together, killed and resumed.
. "$(dirname "$0")/lib.sh"

make_features train.h5 --samples 300 --noise 1.5
make_features held.h5 --samples 90 --noise 1.5 --seed 9
train="mt-train-head train.h5 --quiet"
accuracy_of() { mt-eval held.h5 --model "$1" --json --quiet --bootstrap 0 | sed -n 's/^ *"accuracy": \([0-9.]*\).*/\1/p' | head -n 1; }
expect_learned() { checks=$((checks + 1)); awk -v a="$(accuracy_of "$1")" 'BEGIN { exit !(a > 0.6) }' || fail "$1 scores $(accuracy_of "$1")"; }

case_ "mt-train-head: a linear head says what it learned from what"
run mt-train-head train.h5 -o linear.h5
expect_status 0
expect_stderr "linear head from 270 samples, l2 "
expect_stderr "on 30 validation samples, then refitted on all of them"
expect_learned linear.h5
run mt-inspect --verify linear.h5
expect_status 0
run $train -o quiet.h5
expect_quiet
expect_same quiet.h5 linear.h5
run $train --json -o json.h5
expect_status 0
expect_stdout '"validation_score"'
expect_stdout '"output": "json.h5"'

case_ "mt-train-head: every kind learns, with its options, and they change the head"
number=0
mlp="--batch 32 --learning-rate 0.01 --epochs 20 --hidden 16"
for options in "--kind nearest-mean" "--kind nearest-mean --distance cosine" "--kind nearest_mean --no-refit" "--kind knn" \
  "--kind knn --k 5 --vote distance" "--kind knn --half" "$mlp" "$mlp,8 --activation relu" \
  "--kind mlp --dropout 0.2 $mlp" "--optimizer sgd --momentum 0.5 --epochs 10" \
  "--optimizer adamw --batch 32 --learning-rate 0.01 --weight-decay 0.1 --clip 1 --warm-up 1 --epochs 10" \
  "--optimizer sgd --schedule step --step-epochs 3 --step-factor 0.5 --epochs 10" \
  "--optimizer adamw --schedule constant --patience 2 --batch 16 --learning-rate 0.01 --epochs 30" "--l2 1e-3" "--l2 1e-4,1e-2 --select loss" \
  "--tolerance 1e-3 --iterations 20" "--label-smoothing 0.1" "--class-weights balanced --label-smoothing 0.05" \
  "--class-weights 1,2,3" "--no-standardise" "--validation 0.3 --no-refit" "--validation 0 --l2 1e-3" \
  "--validation held.h5" "--seed 4"; do
  number=$((number + 1))
  run $train $options -o head$number.h5
  expect_status 0
  expect_learned head$number.h5
  check "$options changes the head" bash -c "! cmp -s head$number.h5 linear.h5"
done

case_ "mt-train-head: the same bytes for any number of threads, in memory and streamed"
for options in "--threads 1" "--threads 3" "--memory 1K"; do
  run $train $options -o other.h5 --force
  expect_status 0
  expect_same other.h5 linear.h5
done
run_pipe "cat train.h5 | mt-train-head - --quiet -o piped.h5"
expect_status 0
expect_learned piped.h5
run_pipe "make_features - --samples 300 --noise 1.5 | mt-train-head - --quiet --memory 1K -o no.h5"
expect_clean_failure mt-train-head no.h5
expect_stderr "write it to a file first, or raise --memory"

case_ "mt-train-head: groups are never divided"
make_features windows.h5 --samples 300 --noise 1.5 --windows 10
run mt-train-head windows.h5 --group source -o grouped.h5
expect_status 0
{ echo id,group && mt-inspect --ids windows.h5 | awk '{ print $0 "," NR % 20 }'; } >groups.csv
run mt-train-head windows.h5 --group groups.csv --quiet -o listed.h5
expect_status 0
run $train --group source --validation 0 --l2 1 -o no.h5
expect_status 2
expect_stderr "--group: nothing is held out by share (give --validation a share such as 0.1)"

case_ "mt-train-head: features of others with just the required names, and ours without labels"
run mt-train-head "$MT_SOURCE/tests/golden/foreign/compressed_features.h5" --validation 0 --l2 1e-2 -o foreign.h5
expect_status 0
run mt-train-head "$MT_SOURCE/tests/golden/foreign/minimal_tokens.h5" -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "has no labels (label the samples when tokenizing: mt-tokenize --labels or --manifest)"
make_features unlabelled.h5 --samples 9 --unknown 1
run mt-train-head unlabelled.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "none of its 9 samples has a label"
make_features some.h5 --samples 60 --unknown 3
run mt-train-head some.h5 --classes 2>/dev/null
expect_status 2
run mt-train-head some.h5 -o some_head.h5
expect_status 0
expect_stderr "20 samples without a label are left out"

case_ "mt-train-head: files that do not go together, and values that are no numbers"
make_features wide.h5 --samples 30 --width 9
run mt-train-head train.h5 wide.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "wide.h5: its samples are 1 x 9, those of the files before it 1 x 8"
make_features classes.h5 --samples 30 --classes cat,dog,foxx
run $train --validation classes.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr 'classes.h5: has class "foxx", the training samples do not (the nearest is "fox")'
make_features single.h5 --samples 30 --classes cat
run mt-train-head single.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr 'all 30 labelled samples are of class "cat" (a head needs two classes or more)'
make_features nan.h5 --samples 60 --nan 17
run mt-train-head nan.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "nan.h5: img17.png"
make_features scores.h5 --kind predictions --samples 9
run mt-train-head scores.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "scores.h5: holds predictions, not features (give what mt-encode writes)"
make_features empty.h5 --samples 0
run mt-train-head empty.h5 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "empty.h5: holds no samples"
run $train --class-weights 1,2 -o no.h5
expect_clean_failure mt-train-head no.h5
expect_stderr "--class-weights: gives 2 weights, there are 3 classes: "

case_ "mt-train-head: what cannot be meant is a usage error"
usage() { # message, options
  run $train "${@:2}" -o no.h5
  expect_status 2
  expect_lines 2
  expect_stderr "$1"
  expect_absent no.h5
}
usage "--optimizer: lbfgs trains linear heads only (use adamw or sgd for an mlp)" --kind mlp --optimizer lbfgs
usage "--optimizer: has no effect here (it belongs to linear and mlp heads)" --kind knn --optimizer sgd
usage "--dropout: has no effect here (it belongs to --kind mlp)" --dropout 0.1
usage "--k: has no effect here (it belongs to --kind knn)" --k 3
usage "--distance: has no effect here (it belongs to --kind knn and nearest-mean)" --distance cosine
usage "--l2: has no effect here (it belongs to --optimizer lbfgs)" --optimizer sgd --l2 1
usage "--no-refit: has no effect here" --optimizer sgd --no-refit
usage "--epochs: has no effect here (it belongs to --optimizer adamw and sgd)" --epochs 3
usage "--momentum: has no effect here (it belongs to --optimizer sgd)" --optimizer adamw --momentum 0.5
usage "--step-epochs: has no effect here (it belongs to --schedule step)" --optimizer sgd --step-epochs 3
usage '--l2: "x" is not a list of numbers of at least 0' --l2 x
usage '--l2: "-1" is not a list of numbers of at least 0' --l2=-1
usage '--class-weights: "1,0" is not a list of numbers of at least 1e-12' --class-weights 1,0
usage "--hidden: widths are whole numbers up to 1048576" --hidden 2.5
usage '--validation: "1.5" is no share below 1 (e.g. 0.1, 0 for none, or files)' --validation 1.5
usage '--validation: "0.2" is no share below 1' --validation 0.2 --validation held.h5
usage "--l2: needs validation samples to choose on (give one value, such as --l2 1e-3, or --validation 0.1)" --validation 0
usage '--memory: "much" is not a size (e.g. 2G or 512M)' --memory much
for words in "--kind tree" "--dropout 1" "--epochs 0" "--batch 0" "--schedule linear" "--vote all" "--select f1" \
  "--optimizer adam" "--activation tanh" "--distance l1" "--checkpoint -1" "--tolerance 0" "--patience -1"; do
  run $train $words -o no.h5
  expect_status 2
  expect_lines 2
done
run $train
expect_status 2
expect_stderr "--output: is required (give -o FILE)"
run $train -o -
expect_status 2
expect_stderr "--output: a model file cannot be written to a pipe (give a file name)"

case_ "mt-train-head: outputs that exist are left alone, equal ones recognised, inputs never replaced"
run mt-train-head train.h5 -o linear.h5
expect_status 0
expect_stderr "linear.h5 is there already, made of the same samples with the same settings"
run $train --l2 1 -o linear.h5
expect_clean_failure mt-train-head
expect_stderr "linear.h5: exists and is not what this command makes (use another name, or --force to replace it)"
cp train.h5 before.h5
run $train -o train.h5 --force
expect_status 2
expect_stderr "train.h5: is both input and output (name another output)"
expect_same train.h5 before.h5
run $train -o .
expect_status 1
expect_stderr "is a directory (give a file name)"
run $train -o absent/head.h5
expect_clean_failure mt-train-head absent/head.h5

case_ "mt-train-head: --dry-run says what would be learned from what"
run mt-train-head train.h5 --dry-run
expect_status 0
expect_stdout "linear head: 3 classes, 8 features, 27 parameters"
expect_stdout "samples: 270 train, 30 validate, 0 have no label"
expect_stdout "held in memory"
run mt-train-head train.h5 --dry-run --json --kind knn
expect_stdout '"in_memory": true'

case_ "mt-train-head: killed at any time, --resume ends in the same bytes, the log has each step once"
long="mt-train-head train.h5 --quiet --hidden 64 --epochs 30 --batch 8 --checkpoint 0 --threads 1"
run $long --log whole.jsonl -o whole.h5
expect_status 0
expect_file whole.jsonl
without_rates() { sed 's/,"samples_per_s":[^,}]*//; s/"samples_per_s":[^,}]*,//' "$1"; }
begin_killed() {
  $long --log killed.jsonl -o killed.h5 >/dev/null 2>stderr &
  process=$!
  for i in $(seq 500); do
    [ "$(cat killed.jsonl 2>/dev/null | wc -l)" -gt "$2" ] && [ -e killed.h5.part ] && break
    sleep 0.01
  done
  kill "$1" $process
  wait $process 2>/dev/null
  status=$?
}
for steps in 1 200 700; do
  rm -f killed.*
  begin_killed -9 $steps
  expect_status 137
  expect_absent killed.h5
  expect_file killed.h5.part
  run $long --log killed.jsonl --resume -o killed.h5
  expect_status 0
  expect_same killed.h5 whole.h5
  expect_absent killed.h5.part
  check "the log has each step once" cmp -s <(without_rates killed.jsonl) <(without_rates whole.jsonl)
done
rm -f killed.*
begin_killed -TERM 100
expect_status 143
run $long --log killed.jsonl -o killed.h5
expect_clean_failure mt-train-head killed.h5
expect_stderr "killed.h5.part: holds an unfinished run (go on with --resume, or start over with --force)"
run $long --seed 3 --resume -o killed.h5
expect_clean_failure mt-train-head killed.h5
expect_stderr "belongs to a run with other settings or other samples"
head -c 100 killed.h5.part >cut && mv cut killed.h5.part
run $long --resume -o killed.h5
expect_clean_failure mt-train-head killed.h5
rm killed.h5.part
run mt-train-head train.h5 --hidden 64 --epochs 3 --resume -o killed.h5
expect_status 0
expect_stderr "there is nothing to resume: starting"
