# The programs and the library for cards end to end, on a host that passes for NVIDIA's cards (tests/cards/fake.h): what the
# library asks of CUDA and cuBLASLt is checked, made to fail at every call in turn, and computed.
. "$(dirname "$0")/lib.sh"

fake=${MT_BUILD:?the build tree}/tests/fake_cards/libmt-cuda.so
mt-inspect --version | grep -q '^ *CUDA  *[0-9]' && [ -e "$fake" ] || skip_all "this build has no library for cards"
# libmt looks for it beside itself.
libmt=$(ldd "$MT_BIN/mt-inspect" | sed -n 's/.*libmt\.so[^ ]* => \([^ ]*\) .*/\1/p')
mkdir cards
ln -s "$libmt" "$fake" cards/
export LD_LIBRARY_PATH=$work/cards FAKE_CUDA_LEAKS=check
unset CUDA_VISIBLE_DEVICES
# The address sanitizer warns of the emulator's stacks, on standard error unless told where else.
sanitized && export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$work/sanitizer"

make_features tokens.h5 --tokens --width 192 --samples 12
make_features many.h5 --tokens --width 192 --samples 130 # 259 rows: three tiles, which no product takes whole
# Emulated cards are slow, so where bytes are compared one block of the encoder does.
model="--model random:tiny --pool mean --quiet"
block="$model --layers 1"
encode() { run timeout 60 mt-encode "$@"; }
expect_setting() { mt-inspect "$1" >shown; check "$1 does not say $2" grep -qF -- "$2" shown; }
expect_refusal() { # part of the line
  expect_clean_failure mt-encode no.h5
  expect_stderr "$1"
}

case_ "mt-inspect: --devices lists the cards and what they can do"
export FAKE_CUDA_CARDS=3 FAKE_CUDA_NAMES="Fake H200,Fake T4,Fake K80" FAKE_CUDA_CAPABILITY=9.0,7.5,3.7
run mt-inspect --devices
expect_status 0
expect_quiet
expect_stdout "cuda:0  Fake H200, 1.0 GiB, compute capability 9.0: f32, bf16, f16"
expect_stdout "cuda:1  Fake T4, 1.0 GiB, compute capability 7.5: f32, f16"
expect_stdout "cuda:2  Fake K80, 1.0 GiB, compute capability 3.7: too old"
check "a line each" test "$(grep -c ^cuda stdout)" -eq 3
run mt-inspect --devices --json
expect_status 0
expect_stdout '"device": "cuda:1"'
expect_stdout '"memory": 1073741824'
expect_stdout '"capability": "3.7"'
expect_stdout '"precisions": []'
expect_stdout '"no_cuda": null'
CUDA_VISIBLE_DEVICES=1 run mt-inspect --devices
expect_stdout "cuda:0  Fake T4"
check "no other" test "$(grep -c ^cuda stdout)" -eq 1

case_ "a card that cannot be used is one line that says why"
encode tokens.h5 $block --device cuda:2 -o no.h5
expect_refusal "cuda:2 (Fake K80): is too old: compute capability 3.7, and 7.5 is the least (use another card"
encode tokens.h5 $block --device cuda:3 -o no.h5
expect_refusal "--device cuda:3: there are 3 cards, cuda:0 to cuda:2 (mt-inspect --devices lists them)"
encode tokens.h5 $block --device cuda:0,1 -o no.h5
expect_refusal "--device: card 0 is a Fake H200, card 1 a Fake T4"
encode tokens.h5 $block --device cuda:0,0 -o no.h5
expect_status 2
encode tokens.h5 ${block/--quiet/} --device cuda:1 --dtype bf16 -o f32.h5
expect_status 0
expect_stderr "Fake T4 has no bf16 products: computing in f32"
expect_setting f32.h5 "dtype = f32"
export FAKE_CUDA_CARDS=2 FAKE_CUDA_NAMES="Fake H200" FAKE_CUDA_CAPABILITY=9.0
refused() { # setting, part of the line
  run timeout 60 env "$1" mt-encode tokens.h5 $block --device cuda -o no.h5
  expect_refusal "$2"
}
refused FAKE_CUDA_NO_CODE=1 "cuda:0 (Fake H200): this build has no code for sm_90 (build with -DMT_CUDA_ARCHITECTURES=90)"
refused FAKE_CUDA_BUSY=1 "cuda:0 (Fake H200): is taken by another process, or forbids use (wait for it, or use another card)"
refused FAKE_CUDA_MEMORY=4 "cuda:0 (Fake H200): has no memory left (end what else uses it, use another card, or --device cpu)"
refused FAKE_CUDA_MEMORY=70000000 "the encoder does not fit the memory of Fake H200: 66.8 MiB are free of 66.8 MiB"
refused FAKE_CUDA_FAIL_CHECKS=1 "cuda:0 (Fake H200): cuBLASLt: CUBLAS_STATUS_INTERNAL_ERROR (run it again)"
refused FAKE_CUDA_DRIVER=none "--device cuda: NVIDIA's driver was not found (install one for CUDA "
refused FAKE_CUDA_DRIVER=old "--device cuda: NVIDIA's driver is for CUDA 11.4, too old for CUDA "
refused FAKE_CUDA_DRIVER=no_device "--device cuda: no card is visible (use --device cpu)"
refused CUDA_VISIBLE_DEVICES= '--device cuda: no card is visible: CUDA_VISIBLE_DEVICES is "" (unset it, or use --device cpu)'
FAKE_CUDA_DRIVER=old run mt-inspect --devices
expect_status 0
check "the reason stands where cards would" grep -q "^cuda    NVIDIA's driver is for CUDA 11.4" stdout

# |a - b| / |b| over the features of two files is at most so much.
expect_near() { # a, b, most
  for file in "$1" "$2"; do mt-cat "$file" --quiet -o - --format csv | tail -n +2 | cut -d, -f4- >"$file.csv"; done
  paste -d, "$1.csv" "$2.csv" | awk -F, '{ for (i = 1; i <= NF / 2; ++i) {
      d = $i - $(i + NF / 2); differences += d * d; squares += $(i + NF / 2) ^ 2 } }
    END { print(squares > 0 ? sqrt(differences / squares) : 1) }' >distance
  checks=$((checks + 1))
  awk -v most="$3" '$1 <= most { near = 1 } END { exit !near }' distance || fail "$1 and $2 differ by $(cat distance), more than $3"
}

case_ "mt-encode: features of a card are the CPU's but for rounding, and say what made them"
encode tokens.h5 $model -o cpu.h5
expect_status 0
# float32: other orders of the sums. 16 bits: each operand is rounded to 2^-9 or 2^-12 of its size.
for precision in "f32 2e-5" "bf16 2e-2" "f16 3e-3"; do
  set -- $precision
  encode tokens.h5 $model --device cuda --dtype "$1" -o "$1.h5" --force
  expect_status 0
  expect_quiet
  expect_near "$1.h5" cpu.h5 "$2"
  expect_setting "$1.h5" "dtype = $1"
  expect_setting "$1.h5" "device = cuda: Fake H200, sm_90, CUDA "
done
if sanitized; then # the emulator takes several times as long; what follows needs many runs
  cat sanitizer.* 2>/dev/null | grep -v "support makecontext/swapcontext"
  exit 0
fi

case_ "mt-encode: the same bytes whatever the batch, the number of cards, and for a pipe"
for dtype in f32 bf16 f16; do
  encode many.h5 $block --device cuda --dtype $dtype -o large.h5 --force
  expect_status 0
  encode many.h5 $block --device cuda:1,0 --dtype $dtype --budget 20 -o small.h5 --force
  expect_status 0
  expect_quiet
  expect_same small.h5 large.h5
done
encode many.h5 $block --device cuda -o large.h5 --force
run_pipe "mt-encode - $block --device cuda -o - <many.h5 >piped.h5"
expect_status 0
expect_same piped.h5 large.h5

case_ "mt-encode: --shard auto: a process for each card of a machine, joined the same bytes"
for rank in 0 1; do
  run env SLURM_PROCID=$rank SLURM_LOCALID=$rank SLURM_NTASKS=2 FAKE_CUDA_BUSY_CARD=$((1 - rank)) \
    timeout 60 mt-encode many.h5 $block --device cuda --shard auto -o "part$rank.h5"
  expect_status 0
done
run mt-cat part1.h5 part0.h5 -o joined.h5
expect_status 0
expect_same joined.h5 large.h5

case_ "mt-encode: batches that a card has no room for are cut, and every sample is there"
# 64 MiB are workspaces, 10.1 MiB the weights; what is left is room for one batch of 130 tokens, and not for two at once.
FAKE_CUDA_MEMORY=79200000 encode many.h5 $block --device cuda --budget 130 -o cut.h5
expect_status 0
expect_quiet
expect_same cut.h5 large.h5

case_ "mt-encode: a run goes on with another device only where --allow-mixed says so"
small="tokens.h5 $block --budget 8"
FAKE_CUDA_COUNT=calls encode $small --device cuda -o whole.h5
expect_status 0
read -r calls cublas_calls <calls
fail_at() { # call, code, output
  run timeout 60 env FAKE_CUDA_LEAKS= FAKE_CUDA_FAIL_AT="$1" FAKE_CUDA_FAIL_WITH="$2" mt-encode $small --device cuda -o "$3"
}
begin_lost() { # leaves lost.h5.part
  for at in 90 85 80 75 70; do
    rm -f lost.h5
    fail_at $((calls * at / 100)) 700 lost.h5
    [ -e lost.h5.part ] && break
  done
  check "a card was lost in mid-run" test -e lost.h5.part
}
begin_lost
expect_stderr "(run it again; --resume goes on from lost.h5.part)"
encode $small --resume -o lost.h5
expect_clean_failure mt-encode lost.h5
expect_stderr 'setting device is "cuda: Fake H200, sm_90, CUDA '
expect_stderr '", not "cpu" (--allow-mixed goes on all the same'
encode $small --resume --allow-mixed -o lost.h5
expect_status 0
expect_setting lost.h5 mixed
expect_near lost.h5 whole.h5 2e-5

# cudaErrorIllegalAddress, cudaErrorECCUncorrectable, cudaErrorUnknown, cudaErrorMemoryAllocation and
# CUBLAS_STATUS_EXECUTION_FAILED. Each begins elsewhere, so that together they meet all kinds of calls.
case_ "mt-encode: a card lost at any call is one line and no output; --resume ends in the bytes of a whole run"
failed=0 resumed=0 first=0
for code in 700 214 999 2 cublas:13; do
  last=$calls
  [ "$code" != cublas:13 ] || last=$cublas_calls
  for ((at = first++; at < last; at += last / 14)); do
    rm -f lost.h5 lost.h5.part
    fail_at "$at" "$code" lost.h5
    current="mt-encode: call $at of $last fails with $code"
    if [ "$status" -eq 0 ]; then # it could do without: a smaller batch, what was only given back
      expect_same lost.h5 whole.h5
      continue
    fi
    expect_clean_failure mt-encode lost.h5
    failed=$((failed + 1))
    [ -e lost.h5.part ] || continue
    check "one way to go on" grep -qE "\((run it again|take a smaller --budget); --resume goes on from lost.h5.part\)$" stderr
    encode $small --device cuda --resume -o lost.h5
    expect_status 0
    expect_same lost.h5 whole.h5
    resumed=$((resumed + 1))
  done
done
check "most calls are needed: $failed" test $failed -gt 45
check "some runs had begun: $resumed" test $resumed -gt 8
echo "$failed runs failed, $resumed of them were resumed"
