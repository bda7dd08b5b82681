# mt-tokenize hyperspectral, as users run it.
. "$(dirname "$0")/lib.sh"
golden=$MT_SOURCE/tests/golden/spectral
cp "$golden"/* . && chmod u+w ./*

case_ "statistics come from --fit or --model, a split's from its training pixels"
run mt-tokenize hyperspectral scene.npy --width 8 -o no.h5
expect_status 2
expect_stderr "hyperspectral needs statistics of training data"
run mt-tokenize hyperspectral scene.npy --labels labels.npy --split-fraction 0.5 --split test --fit no.h5 --width 8 -o no.h5
expect_status 2
run mt-tokenize hyperspectral scene.npy --labels labels.npy --split-fraction 0.5 --split train --fit fit.h5 --width 8 -o train.h5
expect_status 0
run mt-tokenize hyperspectral scene.npy --labels labels.npy --split-fraction 0.5 --split test --model fit.h5 -o test.h5
expect_status 0

case_ "the same bytes from every format, for any number of threads, in shards"
run mt-tokenize hyperspectral scene.npy --window 3 --neighbours 3 --fit wide.h5 --width 8 --ids stem -o whole.h5
expect_status 0
for file in f4_bsq.hdr u2_bip.hdr i8_bil.raw "scene_v6.mat --variable cube" "scene_v7.mat --variable Y" "scene_v73.mat --variable cube"; do
  set -- $file
  cp "$1" "scene.${1##*.}" 2>/dev/null
  case $1 in *.hdr) cp "${1%.hdr}.raw" scene.raw ;; *.raw) cp "${1%.raw}.hdr" scene.hdr ;; esac
  name="scene.${1##*.}"; shift
  run mt-tokenize hyperspectral "$name" "$@" --model wide.h5 --ids stem --threads 3 --force -o other.h5
  expect_status 0
  expect_same whole.h5 other.h5
  rm -f scene.hdr scene.raw
done
for i in 0 1 2; do run mt-tokenize hyperspectral scene.npy --model wide.h5 --ids stem --shard $i/3 -o s$i.h5; done
run mt-cat s0.h5 s1.h5 s2.h5 -o joined.h5
expect_same whole.h5 joined.h5

case_ "what cannot be meant, and files that are no scenes, are told in one line"
run mt-tokenize hyperspectral scene.npy --window 2 --fit no.h5 --width 8 -o no.tokens.h5
expect_status 2
expect_stderr "2 is even"
for size in 4 4x 0x5 4x5x6 1e9x1; do
  run mt-tokenize hyperspectral scene_v6.mat --size $size --fit no.h5 --width 8 -o no.tokens.h5
  expect_status 2
done
: >empty.mat
head -c 1000 scene_v6.mat >cut.mat
printf 'ENVI\nsamples = 4000000\nlines = 4000000\nbands = 4000000\ndata type = 5\n' >bomb.hdr
printf 'x' >bomb.raw
printf 'ENVI\nsamples = 100000\nlines = 100000\nbands = 200\ndata type = 5\n' >large.hdr
printf 'x' >large.raw
for file in empty.mat cut.mat bomb.hdr large.hdr missing.mat golden.json labels.npy .; do
  run mt-tokenize hyperspectral $file --fit no.h5 --width 8 -o no.tokens.h5
  expect_clean_failure mt-tokenize no.tokens.h5
done
run mt-tokenize hyperspectral scene.npy --labels scene.npy --fit no.h5 --width 8 -o many.h5
expect_status 0 # five bands more than one: abundances
run mt-tokenize hyperspectral scene_v6.mat --variable cube --labels f4_bsq.hdr --size 5x4 --fit no2.h5 --width 8 -o no.tokens.h5
expect_clean_failure mt-tokenize no.tokens.h5

if ! sanitized; then
  case_ "a file that HDF5 does not survive is named"
  # Found by fuzz_read_hdf5; HDF5 1.10.8 follows a null pointer, others may refuse it.
  run mt-tokenize hyperspectral faulty_in_hdf5.mat --size 2x2 --fit no.h5 --width 8 -o no.tokens.h5
  expect_clean_failure mt-tokenize no.tokens.h5
  expect_stderr "faulty_in_hdf5.mat"
fi

if command -v /usr/bin/time >/dev/null && ! sanitized; then
  case_ "a scene of 2 GB streams in little memory"
  # Sparse: 2000 x 2500 pixels, 200 bands of 16 bits, band sequential; 3 labelled rows.
  truncate -s 2000000000 big.raw
  printf 'ENVI\nsamples = 2500\nlines = 2000\nbands = 200\ndata type = 12\ninterleave = bsq\n' >big.hdr
  truncate -s 5000000 truth.raw
  printf 'ENVI\nsamples = 2500\nlines = 2000\nbands = 1\ndata type = 1\n' >truth.hdr
  for row in 0 1000 1999; do printf '\1\2\1\2' | dd of=truth.raw bs=1 seek=$((row * 2500)) conv=notrunc status=none; done
  /usr/bin/time -f %M -o memory mt-tokenize hyperspectral big.hdr --labels truth.hdr --fit big.h5 --fit-pixels scene --width 8 --quiet -o big.tokens.h5 >stdout 2>stderr
  status=$?
  expect_status 0
  check "less than 200 MB: $(cat memory) kB" test "$(cat memory)" -lt 200000
fi

if [ -d "$SHARED_DATA/odd/array" ]; then
  case_ "odd MATLAB and NumPy files: a scene or one line, never worse"
  for file in "$SHARED_DATA"/odd/array/*; do
    run mt-tokenize hyperspectral "$file" --size 2x2 --fit odd.h5 --width 8 --force -o odd.tokens.h5
    checks=$((checks + 1))
    case $status in 0 | 3) ;; 1) expect_lines 1 ;; *) fail "$file: status $status" ;; esac
  done
fi
