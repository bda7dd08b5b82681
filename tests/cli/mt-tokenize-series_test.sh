# mt-tokenize time-series and imu, as users run them.
. "$(dirname "$0")/lib.sh"

header='@problemName made\n@univariate false\n@dimensions 2\n@classLabel true a b\n@data\n'
printf "$header"'1,2,3:4,5,6:a\n2,3,4,5:5,6,7,8:b\n0,1,2,1:3,2,1,0:a\n' >train.ts
printf "$header"'1,?,3:4,5,6:a\n2,x,4:5,6,7:b\n1,2,3:1,2:b\n9,8,7:6,5,4:b\n' >test.ts
{ echo "date,load,temp"
  for i in $(seq 0 99); do printf '2016-07-%02d %02d:00:00,%d,%d\n' $((1 + i / 24)) $((i % 24)) "$i" $((100 - i)); done; } >load.csv
fit="mt-tokenize time-series train.ts --fit model.h5 --width 16 --quiet"

case_ "statistics come from --fit or --model, never from the data at hand"
run mt-tokenize time-series train.ts --width 16 -o tokens.h5
expect_status 2
expect_stderr "time-series needs statistics of training data"
expect_absent tokens.h5
run $fit -o train.h5
expect_status 0
expect_file model.h5
run mt-tokenize time-series train.ts --fit other.h5 --model model.h5 -o tokens.h5
expect_status 2
expect_absent other.h5
run mt-tokenize time-series load.csv --context 8 --horizon 4 --split test --fit other.h5 --width 8 -o tokens.h5
expect_status 2
expect_stderr "statistics come from training data, not from --split test"

case_ "rejected series are named with what is wrong, the rest is there"
run mt-tokenize time-series test.ts --model model.h5 -o test.h5
expect_status 3
expect_stderr "test.ts#0: its value of channel 0 at step 1 is missing (--missing interpolate fills gaps)"
expect_stderr 'test.ts#1: value 2 is "x", not a number'
expect_stderr "test.ts#2: its channel 2 has 2 steps, the first has 3"
run mt-inspect --json test.h5
expect_stdout '"samples": 1'
run mt-tokenize time-series test.ts --model model.h5 --missing interpolate -o filled.h5
run mt-inspect --json filled.h5
expect_stdout '"samples": 2'
run mt-tokenize time-series test.ts --model model.h5 --strict -o strict.h5
expect_clean_failure mt-tokenize strict.h5

case_ "the same bytes for any number of threads, through a pipe, and in shards"
for threads in 1 2 5; do
  run mt-tokenize time-series load.csv --context 8 --horizon 4 --split train --fit load$threads.h5 --width 8 --threads $threads -o t$threads.h5
  expect_status 0
done
expect_same t1.h5 t2.h5
expect_same t1.h5 t5.h5
expect_same load1.h5 load5.h5
run_pipe "mt-tokenize time-series load.csv --context 8 --horizon 4 --split train --model load1.h5 -o - >piped.h5"
expect_same t1.h5 piped.h5
for i in 0 1 2; do run mt-tokenize time-series load.csv --context 8 --horizon 4 --split train --model load1.h5 --shard $i/3 -o s$i.h5; done
run mt-cat s0.h5 s1.h5 s2.h5 -o joined.h5
expect_same t1.h5 joined.h5

case_ "forecasts: windows and targets of each part"
for part in train val test; do
  run mt-tokenize time-series load.csv --context 8 --horizon 4 --split $part --model load1.h5 -o $part.h5 --force
  expect_status 0
done
run mt-inspect --json train.h5
expect_stdout '"samples": 59'
run mt-inspect --json val.h5
expect_stdout '"samples": 7'
run mt-inspect --json test.h5
expect_stdout '"samples": 17'
run mt-tokenize time-series load.csv --context 16 --horizon 4 --split train --embedding patch --fit apart.h5 --width 8 -o apart.tokens.h5
run mt-inspect --json apart.tokens.h5
expect_stdout '"samples": 102'
run mt-tokenize time-series load.csv --context 16 --horizon 4 --split train --channels apart --fit no.h5 --width 8 -o no.tokens.h5
expect_status 2
run mt-tokenize time-series load.csv --context 8 -o no.tokens.h5 --fit no.h5
expect_status 2
expect_stderr "forecasts need both"
run mt-tokenize time-series load.csv --context 8 --horizon 4 --targets tmp --fit no.h5 --width 8 -o no.tokens.h5
expect_status 2
expect_stderr "did you mean temp?"

case_ "a forecast: a regression head, and its errors"
{ echo "date,load,temp"
  awk 'BEGIN { for (i = 0; i < 100; ++i) printf "2016-07-%02d %02d:00:00,%.6f,%.6f\n", 1 + i / 24, i % 24, sin(i / 2), cos(i / 3) }'; } >waves.csv
for part in train val test; do
  [ "$part" = train ] && fitted="--fit waves.h5" || fitted="--model waves.h5"
  run mt-tokenize time-series waves.csv --context 8 --horizon 4 --split $part --patches $fitted -o $part.features.h5
  expect_status 0
done
run mt-train-head train.features.h5 --task regression --validation val.features.h5 -o forecast.h5
expect_status 0
expect_stderr "regression head of 8 targets from 59 samples"
run mt-eval test.features.h5 --model forecast.h5 --predictions forecast.csv --json
expect_status 0
expect_stdout '"mse"'
expect_stdout '"samples": 17'
check "a prediction a sample" test "$(wc -l <forecast.csv)" -eq 18
# Waves: a linear map knows what comes next.
check "the error is small" awk '/"mse"/ { exit !($2 + 0 < 0.01) }' stdout
run mt-eval test.features.h5 --model forecast.h5 --confusion c.csv
expect_status 2
for kind in knn nearest-mean; do
  run mt-train-head train.features.h5 --task regression --kind $kind -o no.h5
  expect_status 2
  expect_stderr "tells classes apart"
done
for options in "--epochs 3" "--loss focal" "--optimizer lbfgs" "--hidden 8 --l2 1e-3"; do
  run mt-train-head train.features.h5 --task regression $options -o no.h5
  expect_status 2
done

case_ "mt-train-head: other losses and networks of numbers learn step by step, and go on after a kill"
steps="mt-train-head train.features.h5 --task regression --validation 0 --epochs 200 --batch 16 --learning-rate 0.01"
for options in "--loss huber:0.5" "--loss l1" "--hidden 16" "--optimizer sgd"; do
  name=steps.$(echo "$options" | tr -dc a-z0-9).h5
  run $steps $options --threads 1 -o "$name"
  expect_status 0
  run mt-eval train.features.h5 --model "$name" --json # which days are later ones, it cannot know
  expect_status 0
  check "$options: the error is small" awk '/"mse"/ { exit !($2 + 0 < 0.05) }' stdout
done
run $steps --loss l1 --threads 3 -o again.h5
expect_same again.h5 steps.lossl1.h5
$steps --loss l1 --checkpoint 0 -o killed.h5 2>/dev/null &
sleep 0.3
kill -9 $! 2>/dev/null || true
wait $! 2>/dev/null || true
run $steps --loss l1 --resume -o killed.h5
expect_status 0
expect_same killed.h5 steps.lossl1.h5
run mt-train-head train.features.h5 --task regression --loss l1 --validation val.features.h5 --epochs 2 -o validated.h5
expect_status 0
expect_stderr "on 7 validation samples"
run $steps --loss l1 --dry-run --force -o killed.h5
expect_status 0
expect_stdout "linear head: 8 targets"
run mt-train-head train.features.h5 --task regression -o forecast.h5
expect_status 1
rm -f no.h5
run mt-train-head train.h5 -o no.h5
expect_clean_failure mt-train-head no.h5

case_ "a model for other channels, and inputs that are none, fail with one line"
run mt-tokenize time-series load.csv --model model.h5 -o no.h5
expect_status 0
printf '@univariate true\n@classLabel true a\n@data\n1,2:a\n' >one.ts
run mt-tokenize time-series one.ts --model model.h5 -o no1.h5
expect_clean_failure mt-tokenize no1.h5
expect_stderr "the inputs have 1 channels, the tokenizer was fitted on 2"
: >empty.ts
printf 'x\n1\n' >short.csv
printf '\xff\xfe\x00' >bytes.csv
head -c 200 /dev/zero >zeros.csv
printf '@data\n' >none.ts
for file in empty.ts missing.ts bytes.csv zeros.csv none.ts; do
  run mt-tokenize imu $file --fit no.h5 --width 8 -o no2.h5
  expect_clean_failure mt-tokenize no2.h5
done
run mt-tokenize imu short.csv --window 5 --fit no.h5 --width 8 -o no2.h5
expect_clean_failure mt-tokenize no2.h5
expect_stderr "has 1 steps, a window takes 5"

case_ "a line of 100 MB and a billion declared channels need little memory"
{ printf '@univariate true\n@data\n'; head -c 100000000 /dev/zero | tr '\0' '1'; printf '\n1,2,3\n'; } >long.ts
run mt-tokenize imu long.ts --fit long.h5 --width 8 --embedding step -o long.tokens.h5
expect_status 3
expect_stderr "long.ts#0: its line is longer than 32.0 MiB"
printf '@dimensions 4000000000\n@data\n1\n' >wide.ts
run mt-tokenize imu wide.ts --fit no.h5 --width 8 -o no2.h5
expect_clean_failure mt-tokenize no2.h5

case_ "damage at every byte: rejected or another series, never worse"
size=$(stat -c %s train.ts)
for at in $(seq 0 7 "$size"); do
  head -c "$at" train.ts >cut.ts
  run mt-tokenize time-series cut.ts --model model.h5 --force -o cut.h5
  checks=$((checks + 1)); [ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || fail "cut at $at: status $status"
  for byte in '\000' '\377' ':' ',' '\n' '9'; do
    { head -c "$at" train.ts; printf "$byte"; tail -c +"$((at + 2))" train.ts; } >flip.ts
    run mt-tokenize time-series flip.ts --model model.h5 --force -o flip.h5
    checks=$((checks + 1)); [ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || fail "byte at $at: status $status"
  done
done

if [ -d "$SHARED_DATA/imu" ]; then
  case_ "the .arff and the .ts of one set give the same tokens"
  set=$SHARED_DATA/imu/BasicMotions/BasicMotions_TRAIN
  for kind in ts arff; do ln -sf "$set.$kind" motions.$kind; done
  run mt-tokenize imu motions.ts --ids stem --fit motions.h5 --width 32 -o motions.ts.h5
  expect_status 0
  run mt-tokenize imu motions.arff --ids stem --model motions.h5 -o motions.arff.h5
  expect_status 0
  for kind in ts arff; do mt-cat motions.$kind.h5 -o motions.$kind.csv 2>/dev/null; done
  expect_same motions.ts.csv motions.arff.csv

  case_ "a continuous recording: windows with the class of most of their rows"
  run mt-tokenize imu "$SHARED_DATA/imu/Daphnet_S06R02E0/S06R02E0.csv" --window 128 --stride 64 --label-column is_anomaly --fit gait.h5 --width 32 -o gait.tokens.h5
  expect_status 0
  run mt-inspect --json gait.tokens.h5
  expect_stdout '"samples": 109'
  for file in "$SHARED_DATA"/odd/array/*; do
    run mt-tokenize imu "$file" --window 4 --fit odd.h5 --width 8 --force -o odd.tokens.h5
    checks=$((checks + 1)); [ "$status" -eq 0 ] || [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || fail "$file: status $status"
  done
fi
