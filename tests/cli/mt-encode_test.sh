# mt-encode: precisions by instruction set, and where the time goes.
. "$(dirname "$0")/lib.sh"

mkdir photos
for i in 1 2 3; do
  awk -v seed="$i" 'BEGIN { srand(seed); printf "P3\n24 20\n255\n"
    for (i = 0; i < 1440; ++i) printf "%d\n", rand() * 255 }' >"photos/$i.ppm"
done
run mt-tokenize image photos --model random:tiny --size 64 -o tokens.h5
expect_status 0

case_ "bfloat16 without its instructions: float32 answers and says so"
run env ONEDNN_MAX_CPU_ISA=AVX2 mt-encode tokens.h5 --model random:tiny -o f32.h5
expect_status 0
run env ONEDNN_MAX_CPU_ISA=AVX2 mt-encode tokens.h5 --model random:tiny --dtype bf16 -o bf16.h5
expect_status 0
expect_stderr "this machine has no bf16 products: computing in f32"
expect_same f32.h5 bf16.h5

case_ "--profile: names every kind of layer, in --json too, and changes no byte"
run mt-encode tokens.h5 --model random:tiny -o plain.h5
expect_status 0
run mt-encode tokens.h5 --model random:tiny --profile --json -o profiled.h5
expect_status 0
for kind in norm qkv attention "attention output" "mlp hidden" "mlp output" quantise rest; do
  expect_stderr "$kind "
  expect_stdout "\"$kind\":"
done
expect_stderr "waiting"
expect_same plain.h5 profiled.h5
