# How many parameters models have, as mt-inspect and mt-train-head count them: sums over the shapes of the architectures.
. "$(dirname "$0")/lib.sh"

has() { # parameters, file
  run mt-inspect "$2"
  expect_status 0
  expect_stdout "$1 parameters"
}

case_ "encoders: B16's twelve blocks have 85,054,464, L14's twenty-four 302,309,376"
run mt-convert random:b16 --part encoder --no-norm --quiet -o b16.h5
expect_status 0
has 85054464 b16.h5 # 12 x 7,087,872
if ! sanitized; then
  run mt-convert random:l14 --part encoder --no-norm --quiet -o l14.h5
  expect_status 0
  has 302309376 l14.h5 # 24 x 12,596,224
  rm -f l14.h5
fi

case_ "time series: the values' convolution and the calendar have 19,200 for 7 channels, 1,989,120 for 862"
# And a shift and a factor for each channel: statistics, not learned.
for counts in "7 19200" "8 21504" "21 51456" "862 1989120"; do
  read -r channels count <<<"$counts"
  awk -v n="$channels" 'BEGIN { srand(1); printf "date"; for (c = 0; c < n; ++c) printf ",c%d", c; print ""
    for (i = 0; i < 40; ++i) { printf "2016-07-%02d %02d:00:00", 1 + i / 24, i % 24
      for (c = 0; c < n; ++c) printf ",%.3f", rand(); print "" } }' >series.csv
  run mt-tokenize time-series series.csv --context 16 --horizon 4 --split train --embedding step --width 768 --patches --fit series.h5 \
    --quiet --force -o series.patches.h5
  expect_status 0
  has $((count + 2 * channels)) series.h5
done

case_ "hyperspectral: 170,512 for 200 bands, with a norm and a head of 16 classes"
{ printf '\x93NUMPY\x01\x00\x76\x00'
  printf '%-117s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 200), }"
  yes abcdefghijk | head -c 800; } >scene.npy
run mt-tokenize hyperspectral scene.npy --width 768 --patches --fit scene.h5 --quiet -o scene.patches.h5
expect_status 0
has $((170512 - (2 * 768 + 769 * 16) + 2 * 200)) scene.h5 # less norm and head, and 200 bands' statistics

case_ "audio: 1,122,851 for kernels of 32 x 32 on 400 places, with a norm and a head of 35 classes"
# The original has no class token in front of its 400 places.
awk 'BEGIN { for (i = 0; i < 8000; ++i) printf "%c", 32 + i % 90 }' >samples
{ printf 'RIFF\x64\x1f\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\x3e\x00\x00\x00\x7d\x00\x00\x02\x00\x10\x00data\x40\x1f\x00\x00'
  cat samples; } >sound.wav
run mt-tokenize audio sound.wav --bins 224 --length 224 --patch 32 --stride 10 --width 768 --patches --fit sound.h5 --quiet -o sound.patches.h5
expect_status 0
has $((1122851 - (2 * 768 + 769 * 35) + 2 * 768)) sound.h5

case_ "X-ray: 745,730 with a norm and a head of 2 classes, as a dry run of training counts them"
mkdir -p pictures/a pictures/b
for class in a b; do cp "$(ls "$MT_SOURCE"/tests/golden/images/*.png | head -n 1)" pictures/$class/$class.png; done
run mt-tokenize xray pictures --labels directory --size 224 --patch 16 --patches --quiet -o xray.patches.h5
expect_status 0
run mt-train-head xray.patches.h5 --model b16.h5 --validation 0 --dry-run
expect_status 0
expect_stdout "parameters: $((2 * 769)) of the head, $((745730 - 2 * 768 - 2 * 769)) of the tokenizer, 85054464 of the encoder"
