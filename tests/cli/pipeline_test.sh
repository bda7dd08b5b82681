# The whole pipeline as users run it: pictures to numbers, in files, in one pipe, in shards, killed and resumed.
. "$(dirname "$0")/lib.sh"

picture() { # red, green, blue, seed, file
  awk -v r="$1" -v g="$2" -v b="$3" -v seed="$4" 'BEGIN {
    srand(seed); printf "P3\n24 20\n255\n"
    for (i = 0; i < 480; ++i) printf "%d %d %d\n", r + rand() * 60, g + rand() * 60, b + rand() * 60 }' >"$5"
}
mkdir -p photos/cats photos/dogs
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
  picture 150 40 40 "$i" "photos/cats/$i.ppm"
  picture 40 60 150 "$i" "photos/dogs/$i.ppm"
done
checkpoints=$MT_SOURCE/tests/golden/checkpoints
tokenize="mt-tokenize image photos --labels directory --model random:tiny --size 64"

case_ "mt-convert: a checkpoint of the released layout loads, and forth and back is exact"
run mt-convert "$checkpoints/meta_transformer.pth" -o meta.h5 --heads 2
expect_status 0
run mt-convert meta.h5 -o meta.safetensors
expect_status 0
run mt-convert meta.safetensors -o again.h5
expect_status 0
run mt-convert again.h5 -o again.safetensors
expect_status 0
expect_same meta.safetensors again.safetensors
expect_same meta.h5 again.h5

case_ "mt-convert: what is no checkpoint is refused in one line"
echo hello >nonsense.pth
run mt-convert nonsense.pth -o out.h5
expect_clean_failure mt-convert out.h5
head -c 3000 "$checkpoints/meta_transformer.pth" >cut.pth
run mt-convert cut.pth -o out.h5
expect_clean_failure mt-convert out.h5
run mt-convert missing.pth -o out.h5
expect_clean_failure mt-convert out.h5

case_ "pictures to numbers, file by file"
run $tokenize -o tokens.h5
expect_status 0
run mt-encode tokens.h5 --model random:tiny --pool mean -o features.h5
expect_status 0
run mt-train-head features.h5 -o head.h5
expect_status 0
run mt-eval features.h5 --model head.h5 --json
expect_status 0
expect_stdout '"accuracy"'
run mt-inspect --verify tokens.h5 features.h5 head.h5
expect_status 0

case_ "the same bytes from one pipe, and for any number of threads and any budget"
run_pipe "$tokenize -o - | mt-encode - --model random:tiny --pool mean -o piped.h5"
expect_status 0
expect_same features.h5 piped.h5
for threads in 1 2 3; do
  run mt-encode tokens.h5 --model random:tiny --pool mean --threads $threads --budget $((threads * 40)) -o "threads$threads.h5"
  expect_status 0
  expect_same features.h5 "threads$threads.h5"
done

case_ "each precision and token merging give features, and say so in the file"
precisions=($(cpu_precisions))
for options in "${precisions[@]/#/--dtype }" "--merge 2"; do
  run mt-encode tokens.h5 --model random:tiny --pool mean $options -o other.h5 --force
  expect_status 0
  run mt-inspect other.h5
  expect_stdout "${options##--* }"
done
run mt-encode tokens.h5 --model random:tiny --pool tokens --merge 2 -o none.h5
expect_status 2
expect_absent none.h5

case_ "shards joined are the single run"
for i in 0 1 2; do
  run_pipe "$tokenize --shard $i/3 -o - | mt-encode - --model random:tiny --pool mean -o part$i.h5"
  expect_status 0
done
run mt-cat part2.h5 part0.h5 part1.h5 -o joined.h5
expect_status 0
expect_same joined.h5 features.h5

case_ "an existing output is recognised, another one is not replaced without --force"
run mt-encode tokens.h5 --model random:tiny --pool mean -o features.h5
expect_status 0
run mt-encode tokens.h5 --model random:tiny --pool max -o features.h5
expect_status 1
expect_stderr "--force"

case_ "killed in the middle, resumed, the same bytes"
idx=big-images-idx3-ubyte
# 2048 pictures, or 256 under the sanitizers, which make them last as long.
high='\010' count=2048
! sanitized || { high='\001' count=256; }
printf '\0\0\010\003\0\0'"$high"'\0\0\0\0\034\0\0\0\034' >$idx
yes "idx pixels, not very random" | head -c $((count * 784)) >>$idx
run mt-tokenize image $idx --model random:tiny --size 96 -o big.tokens.h5
expect_status 0
run mt-encode big.tokens.h5 --model random:tiny --pool mean -o whole.h5
expect_status 0
mt-encode big.tokens.h5 --model random:tiny --pool mean --budget 64 -o resumed.h5 2>/dev/null &
process=$!
for i in $(seq 3000); do
  [ "$(stat -c %s resumed.h5.part 2>/dev/null || echo 0)" -gt 20000 ] && break
  sleep 0.02
done
kill -9 $process
wait $process 2>/dev/null
expect_absent resumed.h5
run mt-encode big.tokens.h5 --model random:tiny --pool mean --budget 64 -o resumed.h5
expect_status 1
expect_stderr "--resume"
run mt-encode big.tokens.h5 --model random:tiny --pool mean --budget 64 --resume -o resumed.h5
expect_status 0
expect_same whole.h5 resumed.h5

case_ "wrong files are named with both sides"
run mt-encode features.h5 --model random:tiny -o x.h5
expect_clean_failure mt-encode x.h5
run mt-encode tokens.h5 --model random:small -o x.h5
expect_clean_failure mt-encode x.h5
expect_stderr "192"
expect_stderr "384"
run mt-eval tokens.h5 --model head.h5
expect_status 1
run mt-eval features.h5 --model tokens.h5
expect_clean_failure mt-eval

case_ "a cut stream is not taken for the end"
mt-tokenize image photos --labels directory --model random:tiny --size 64 -o - 2>/dev/null >stream </dev/null
$tokenize -o - 2>/dev/null | head -c 20000 >cut.stream
bash -c 'cat cut.stream | mt-encode - --model random:tiny -o x.h5' >stdout 2>stderr
status=$?
expect_clean_failure mt-encode x.h5

case_ "a full disk is one line, and nothing under the final name"
for blocks in 1 8 40; do
  (ulimit -f $blocks && exec mt-encode tokens.h5 --model random:tiny -o full.h5) >stdout 2>stderr </dev/null
  status=$?
  [ "$status" -eq 0 ] && { rm -f full.h5; continue; }
  expect_clean_failure mt-encode full.h5
  rm -f full.h5.part
done

case_ "a closed pipe ends the programs quietly"
run_pipe "$tokenize -o - | mt-encode - --model random:tiny -o - | head -c 1"
check "quiet" test ! -s stderr -o "$(grep -vc 'samples in' stderr)" -eq 0
