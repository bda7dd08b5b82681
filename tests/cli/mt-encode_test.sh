# Tokens to features: pooling, intermediate blocks, precisions, what tokens may lack, where the time goes, and every refusal.
. "$(dirname "$0")/lib.sh"

checkpoints=$MT_SOURCE/tests/golden/checkpoints
foreign=$MT_SOURCE/tests/golden/foreign
# 8 wide, 2 blocks, without and with final norm and projection.
blocks="--model $checkpoints/meta_transformer.pth --heads 2 --quiet"
tower="--model $checkpoints/timm_clip.safetensors --heads 2 --quiet"
precisions=($(cpu_precisions))
make_features tokens.h5 --samples 40 --tokens --leading 1 --rejected 10
make_features bare.h5 --samples 40 --tokens --no-positions
make_features features.h5 --samples 4
shape_of() { mt-inspect "$1" | sed -n '1s/.*\(\[[0-9, ]*\] [a-z0-9]*\).*/\1/p'; }
samples_of() { mt-inspect --json "$1" | sed -n 's/^  "samples": \([0-9]*\),/\1/p'; }
expect_shape() { checks=$((checks + 1)); [ "$(shape_of "$1")" = "$2" ] || fail "$1 is $(shape_of "$1"), expected $2"; }
expect_setting() { mt-inspect "$1" >shown; check "$1 does not say $2" grep -qF -- "$2" shown; }

case_ "mt-encode: pools as asked, in width and length"
# Of 36 samples 13 hold nothing but their class token, which mean and max leave out.
for pool in "mean 3 23" "max 3 23" "eot 0 36" "cls 0 36"; do
  set -- $pool
  run mt-encode tokens.h5 $tower --pool "$1" -o "$1.h5"
  expect_status "$2"
  expect_shape "$1.h5" "[$3, 4] float32"
  expect_setting "$1.h5" "pool = $1"
done
run mt-encode tokens.h5 $tower --pool tokens -o tokens_out.h5
expect_status 3
expect_shape tokens_out.h5 "[35, 8] float32"
check "mean and max differ" bash -c '! cmp -s mean.h5 max.h5'
run mt-encode tokens.h5 $tower -o default.h5
expect_same default.h5 cls.h5
run mt-inspect --verify cls.h5
expect_status 0
expect_stdout "3 classes"

case_ "mt-encode: samples without data tokens are left out and named, with --strict they are fatal"
run mt-encode tokens.h5 --model "$checkpoints/timm_clip.safetensors" --heads 2 --pool mean -o mean.h5 --force
expect_status 3
expect_stderr "img0.png: "
expect_stderr "(left out)"
expect_stderr "rejected -> mean.h5"
run mt-encode tokens.h5 $tower --pool mean --strict -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "img0.png: "
expect_stderr "without --strict it is left out"
make_features nan.h5 --samples 9 --tokens --nan 5
run mt-encode nan.h5 $blocks -o finite.h5
expect_status 3
expect_stderr "img5.png: its tokens hold NaN or Inf (left out)"
check "eight are left" test "$(samples_of finite.h5)" -eq 8

case_ "mt-encode: an intermediate block, its norm, and the projection left out"
run mt-encode bare.h5 $tower --layers 1 -o one.h5
expect_shape one.h5 "[40, 8] float32"
run mt-encode bare.h5 $tower --layers 1 --norm -o one_normed.h5
expect_shape one_normed.h5 "[40, 4] float32"
run mt-encode bare.h5 $tower --no-projection -o unprojected.h5
expect_shape unprojected.h5 "[40, 8] float32"
run mt-encode bare.h5 $tower --layers 0 -o none.h5
expect_status 0
run mt-encode bare.h5 $tower --no-norm -o raw.h5
expect_shape raw.h5 "[40, 8] float32"
run mt-encode bare.h5 $tower --layers 3 -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "--layers: 3 blocks are asked for, the encoder has 2"
run mt-encode bare.h5 $tower --norm -o no.h5
expect_status 2
expect_stderr "--norm: means something only with --layers"

case_ "mt-encode: cards, and what they cannot do"
for device in cuda cuda:0; do
  run mt-encode bare.h5 $blocks --device $device -o no.h5
  # Where a card is, it encodes; elsewhere one line says why not.
  if [ "$status" -eq 0 ]; then expect_setting no.h5 "device = cuda: "; rm no.h5; else
    expect_clean_failure mt-encode no.h5
    expect_stderr "mt-encode: --device cuda: "
  fi
done
for options in "--device cuda:x" "--device cuda:0,0" "--device gpu" "--device cuda --merge 1" "--device cuda --dtype int8" \
  "--device cuda --profile"; do
  run mt-encode bare.h5 $blocks $options -o no.h5
  expect_status 2
  expect_lines 2
  expect_absent no.h5
done
run mt-encode bare.h5 ${blocks% --quiet} --dtype f16 -o half.h5
expect_status 0
expect_stderr "this machine has no f16 products: computing in f32"
expect_setting half.h5 "dtype = f32"

case_ "mt-encode: precisions, merging and the model's settings are in the file, and differ"
run mt-encode bare.h5 $blocks -o plain.h5
expect_status 0
for options in "${precisions[@]/#/--dtype }" "--merge 1" "--eps 0.1" "--activation quick_gelu" "--scale 0.1"; do
  run mt-encode bare.h5 $blocks $options -o other.h5 --force
  expect_status 0
  check "$options changes the features" bash -c '! cmp -s other.h5 plain.h5'
done
run mt-encode bare.h5 --model "$checkpoints/meta_transformer.pth" --heads 4 --quiet -o other.h5 --force
check "--heads changes them" bash -c '! cmp -s other.h5 plain.h5'
run mt-encode bare.h5 --model "$checkpoints/meta_transformer.pth" --heads 3 -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "heads"
for pool in tokens eot; do
  run mt-encode bare.h5 $blocks --merge 1 --pool $pool -o no.h5
  expect_status 2
  expect_stderr "--merge: merged tokens do not give --pool $pool"
done

case_ "mt-encode: the same bytes for any budget and number of threads, compressed the same numbers"
for options in "--budget 1" "--budget 7 --threads 3" "--threads 1"; do
  run mt-encode bare.h5 $blocks $options -o other.h5 --force
  expect_status 0
  expect_same other.h5 plain.h5
done
run mt-encode bare.h5 $blocks --compress 6 -o packed.h5
expect_status 0
run mt-cat packed.h5 -o unpacked.h5 --quiet
expect_same unpacked.h5 plain.h5

case_ "mt-encode: class tokens and positions for tokens that have none"
run mt-encode bare.h5 --model "$checkpoints/meta_transformer.pth" --heads 2 -o noted.h5
expect_status 0
expect_stderr "the tokens have no positions, so their order is not seen (--positions sincos adds some)"
expect_stderr "the tokens have no class token: pooling their mean"
run mt-encode bare.h5 $blocks --positions sincos -o sincos.h5
expect_status 0
check "positions matter" bash -c '! cmp -s sincos.h5 plain.h5'
run mt-encode bare.h5 $blocks --cls zero -o zero.h5
expect_status 0
expect_setting zero.h5 'pool = cls'
for name in timm_vit meta_transformer; do mt-convert "$checkpoints/$name.pth" --heads 2 --quiet -o $name.h5; done
run mt-encode bare.h5 $blocks --cls timm_vit.h5 -o own.h5
expect_status 0
check "another class token" bash -c '! cmp -s zero.h5 own.h5'
run mt-encode bare.h5 $blocks --cls random:tiny -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "its class token has 192 values, the tokens 8"
run mt-encode bare.h5 $blocks --cls meta_transformer.h5 -o no.h5
expect_status 1
expect_stderr "it holds no class token (--cls zero)"
run mt-encode tokens.h5 $blocks --positions sincos -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "these tokens have positions already"
run mt-encode tokens.h5 $blocks --cls zero -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "these tokens have a class token already"
run mt-encode bare.h5 $blocks --pool cls -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "these tokens have no class token (--pool mean, or --cls zero)"

case_ "mt-encode: --verbose says how it computed, and what that took"
run mt-encode tokens.h5 ${tower/--quiet/} --threads 2 --verbose -o verbose.h5
expect_status 0
expect_stderr "f32 on 2 threads"
expect_stderr "s of processor time, at most"

case_ "mt-encode: tokens of another tokenizer than the model's are doubted, with --strict refused"
make_features strange.h5 --samples 9 --tokens --source "$(printf 'ab%.0s' $(seq 32))"
run mt-encode strange.h5 $tower -o doubted.h5
expect_status 0
expect_stderr "strange.h5: was made by another tokenizer than the model's"
run mt-encode strange.h5 $tower --strict -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "use the --model that made it"

case_ "mt-encode: files of others with just the required names"
run mt-encode "$foreign/encodable_tokens.h5" $blocks -o foreign.h5
expect_status 0
expect_shape foreign.h5 "[4, 8] float32"
run mt-inspect --ids foreign.h5
expect_stdout "sample 3"
run_pipe "mt-encode - $blocks -o - <'$foreign/encodable_tokens.h5' | mt-cat - -o piped.h5 --quiet"
expect_status 0
expect_same piped.h5 foreign.h5
run mt-encode "$foreign/minimal_tokens.h5" $blocks -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "minimal_tokens.h5: /tokens is 4 wide, the encoder takes 8 (use a 4-wide --model)"

case_ "mt-encode: what does not say what it was made from is never taken for the same"
run mt-encode "$foreign/other_tokens.h5" $blocks -o foreign.h5
expect_status 1
expect_stderr "whether its inputs are the same is not known (--force replaces it)"
run mt-encode "$foreign/other_tokens.h5" $blocks -o foreign.h5 --force
expect_status 0
run mt-encode bare.h5 --model "$checkpoints/meta_transformer.pth" --heads 2 -o plain.h5
expect_status 0
expect_stderr "plain.h5 is there already, made from the same inputs in the same way"
make_features bare2.h5 --samples 40 --tokens --no-positions --seed 1
run mt-encode bare2.h5 $blocks -o plain.h5
expect_status 1
expect_stderr "it was made from other inputs"
run mt-encode bare.h5 $blocks --pool max -o plain.h5
expect_status 1
expect_stderr 'setting pool is "mean", not "max"'

case_ "mt-encode: several files one after the other, which must be made alike"
make_features more.h5 --samples 6 --tokens --no-positions --prefix more
run mt-encode bare.h5 more.h5 $blocks -o both.h5
expect_status 0
check "all are there" test "$(samples_of both.h5)" -eq 46
run mt-encode bare.h5 tokens.h5 $blocks -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "tokens.h5: was not made like bare.h5 (join them with mt-cat, or encode them one by one)"
run mt-encode features.h5 $blocks -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "features.h5: holds features, not tokens"

case_ "mt-encode: models in two files, random ones, and those that are none"
run mt-convert "$checkpoints/timm_clip.safetensors" --heads 2 --part tokenizer/image -o tokenizer.h5 --quiet
run mt-encode bare.h5 $blocks --model tokenizer.h5 -o two.h5
expect_status 0
expect_same two.h5 plain.h5
run mt-encode bare.h5 $blocks --model "$checkpoints/timm_vit.pth" -o no.h5
expect_status 1
expect_stderr 'holds the part "encoder", which'
run mt-encode bare.h5 --model tokenizer.h5 -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "encoder"
for name in random:huge random:tiny@x absent.h5 tokens.h5 "$MT_SOURCE/README.md"; do
  run mt-encode bare.h5 --model "$name" -o no.h5
  expect_clean_failure mt-encode no.h5
done

case_ "mt-encode: --json and --dry-run tell what is done and what it would come to"
run mt-encode bare.h5 $blocks --json -o json.h5
expect_status 0
expect_stdout '"samples":40'
expect_stdout '"tokens":79'
run mt-encode bare.h5 $blocks --dry-run -o dry.h5
expect_status 0
expect_stdout "40 samples, 79 tokens, "
expect_absent dry.h5
run mt-encode bare.h5 $blocks --dry-run --json -o dry.h5
expect_stdout '"bytes":1280'
run mt-encode - $blocks --dry-run -o dry.h5
expect_status 2
expect_stderr "standard input cannot be measured without using it up"
run mt-encode bare.h5 $blocks --json -o -
expect_status 2
expect_stderr "--json: standard output already takes the features"
run mt-encode - - $blocks -o no.h5
expect_status 2
expect_stderr "standard input is given twice"
run mt-encode bare.h5 $blocks -o ''
expect_status 2
expect_stderr "--output: is empty"
for words in "--pool sum" "--dtype f64" "--positions learned" "--budget 0" "--compress 10" "--layers x"; do
  run mt-encode bare.h5 $blocks $words -o no.h5
  expect_status 2
  expect_lines 2
done

case_ "mt-encode: killed at any point, --resume ends in the same bytes; files out of order cannot"
make_features many.h5 --samples 20000 --tokens --no-positions
many="mt-encode many.h5 $blocks --budget 64"
run $many -o whole.h5
expect_status 0
start=$(date +%s%N)
run $many -o whole.h5 --force
took=$((($(date +%s%N) - start) / 1000000))
kills=0
for part in 3 5 7; do
  $many -o killed.h5 --force >/dev/null 2>&1 &
  process=$!
  sleep "$(awk -v ms=$((took * part / 10)) 'BEGIN { print ms / 1000 }')"
  kill -9 $process 2>/dev/null && kills=$((kills + 1))
  wait $process 2>/dev/null
  run $many --resume --threads 1 -o killed.h5
  [ "$status" -eq 0 ] || fail "status $status after a kill"
  expect_same killed.h5 whole.h5
  expect_absent killed.h5.part
  rm -f killed.h5
done
check "some were killed" test $kills -gt 0
begin_killed() { # leaves killed.h5.part
  $many -o killed.h5 >/dev/null 2>&1 &
  process=$!
  for i in $(seq 500); do
    [ "$(stat -c %s killed.h5.part 2>/dev/null || echo 0)" -gt 30000 ] && break
    sleep 0.01
  done
  kill "$1" $process
  wait $process 2>/dev/null
  status=$?
}
begin_killed -9
run $many -o killed.h5
expect_clean_failure mt-encode killed.h5
expect_stderr "is the journal of an interrupted run (--resume goes on from it, --force starts again)"
run mt-encode many.h5 bare.h5 $blocks --resume -o killed.h5
expect_clean_failure mt-encode killed.h5
expect_stderr "the files are not in the order of /index (join them with mt-cat first"

case_ "mt-encode: shards of one file of tokens, joined, are the single run, and each is recognised and resumed"
for i in 2 0 1; do
  run mt-encode bare.h5 $blocks --pool mean --shard $i/3 -o "shard$i.h5"
  expect_status 0
done
run mt-encode bare.h5 $blocks --pool mean -o single.h5
run mt-cat shard0.h5 shard1.h5 shard2.h5 -o joined.h5
expect_status 0
expect_same joined.h5 single.h5
check "thirteen of forty" test "$(samples_of shard2.h5)" -eq 13
run mt-cat shard0.h5 shard2.h5 -o fewer.h5
expect_clean_failure mt-cat fewer.h5
expect_stderr "shard 1 of 3 is missing"
run mt-encode bare.h5 --model "$checkpoints/meta_transformer.pth" --heads 2 --pool mean --shard 1/3 -o shard1.h5
expect_status 0
expect_stderr "is there already"
run mt-encode bare.h5 $blocks --pool mean --shard 1/4 -o shard1.h5
expect_clean_failure mt-encode
expect_stderr "--force"
# Those that the program before rejected are dealt out as well.
for i in 0 1; do
  run env SLURM_PROCID=$i SLURM_NTASKS=2 mt-encode tokens.h5 $tower --shard auto -o "auto$i.h5"
  expect_status 0
done
run mt-cat auto0.h5 auto1.h5 -o joined.h5 --force
expect_same joined.h5 default.h5
run mt-encode bare.h5 $blocks --shard 0/50 --dry-run -o none.h5
expect_status 0
expect_stdout "1 samples"
run mt-encode bare.h5 $blocks --shard 49/50 -o empty.h5
expect_status 0
check "there is no fiftieth" test "$(samples_of empty.h5)" -eq 0

case_ "mt-encode: a shard of what cannot be shared out is refused"
run mt-encode bare.h5 bare.h5 $blocks --shard 0/2 -o no.h5
expect_status 2
expect_stderr "--shard: is of one file of tokens (join them with mt-cat, or give each process its own)"
run mt-encode bare.h5 $blocks --shard 2/2 -o no.h5
expect_status 2
run mt-encode bare.h5 $blocks --shard 2/2 --device cuda -o no.h5
expect_status 2
run_pipe "mt-cat bare.h5 --quiet -o - | mt-encode - $blocks --shard 0/2 -o no.h5"
expect_clean_failure mt-encode no.h5
expect_stderr "standard input: is a stream, which only one can read (give --shard to the program that writes it)"
run_pipe "mt-cat bare.h5 --quiet -o - | mt-encode - $blocks --pool mean --shard 0/1 -o one_of_one.h5"
expect_status 0
expect_same one_of_one.h5 single.h5

case_ "mt-encode: a resumed run keeps its settings, and its precision unless --allow-mixed, which the file tells"
run $many --pool max --resume --allow-mixed -o killed.h5
expect_clean_failure mt-encode killed.h5
expect_stderr "setting pool"
run $many --allow-mixed -o killed.h5
expect_status 2
expect_stderr "--allow-mixed: means something only with --resume"
if [ ${#precisions[@]} -gt 0 ]; then
  other=${precisions[-1]}
  run $many --dtype "$other" --resume -o killed.h5
  expect_clean_failure mt-encode killed.h5
  expect_stderr "setting dtype is \"f32\", not \"$other\" (--allow-mixed goes on all the same"
  run $many --dtype "$other" --resume --allow-mixed -o killed.h5
  expect_status 0
  expect_setting killed.h5 mixed
  check "all are there" test "$(samples_of killed.h5)" -eq 20000
else
  echo "this CPU has one precision: a change of it is not tried"
fi
rm -f killed.h5 killed.h5.part

case_ "mt-encode: a signal ends it, by that signal, with a hint how to go on"
many="${many/--quiet/}"
$many -o killed.h5 >/dev/null 2>stderr &
process=$!
for i in $(seq 500); do
  [ "$(stat -c %s killed.h5.part 2>/dev/null || echo 0)" -gt 30000 ] && break
  sleep 0.01
done
kill -TERM $process
wait $process 2>/dev/null
status=$?
expect_status 143
expect_stderr "stopped; --resume goes on from killed.h5.part"

case_ "mt-encode: bfloat16 without its instructions: float32 answers and says so"
mkdir photos
for i in 1 2 3; do
  awk -v seed="$i" 'BEGIN { srand(seed); printf "P3\n24 20\n255\n"
    for (i = 0; i < 1440; ++i) printf "%d\n", rand() * 255 }' >"photos/$i.ppm"
done
run mt-tokenize image photos --model random:tiny --size 64 -o pictures.h5
expect_status 0

run env ONEDNN_MAX_CPU_ISA=AVX2 mt-encode pictures.h5 --model random:tiny -o f32.h5
expect_status 0
run env ONEDNN_MAX_CPU_ISA=AVX2 mt-encode pictures.h5 --model random:tiny --dtype bf16 -o bf16.h5
expect_status 0
expect_stderr "this machine has no bf16 products: computing in f32"
expect_same f32.h5 bf16.h5

case_ "mt-encode: --profile: names every kind of layer, in --json too, and changes no byte"
run mt-encode pictures.h5 --model random:tiny -o unprofiled.h5
expect_status 0
run mt-encode pictures.h5 --model random:tiny --profile --json -o profiled.h5
expect_status 0
for kind in norm qkv attention "attention output" "mlp hidden" "mlp output" quantise rest; do
  expect_stderr "$kind "
  expect_stdout "\"$kind\":"
done
expect_stderr "waiting"
expect_same unprofiled.h5 profiled.h5
