# mt-tokenize: the modality's command line, pictures in, tokens and patches out, and its bad days.
. "$(dirname "$0")/lib.sh"

# A binary PPM of WIDTH x HEIGHT whose pixels depend on SEED.
picture() { # file width height seed
  printf 'P6\n%d %d\n255\n' "$2" "$3" >"$1"
  yes "picture $4 of the test" | head -c $(($2 * $3 * 3)) >>"$1"
}
# A 16-bit PGM.
deep_picture() { # file width height seed
  printf 'P5\n%d %d\n65535\n' "$2" "$3" >"$1"
  yes "deep $4" | head -c $(($2 * $3 * 2)) >>"$1"
}
# An IDX file of COUNT grey pictures of 28 x 28.
idx() { # file count
  printf '\0\0\010\003\0\0' >"$1"
  printf "\\x$(printf %02x $(($2 / 256)))\\x$(printf %02x $(($2 % 256)))\0\0\0\034\0\0\0\034" >>"$1"
  yes "idx pixels, not very random" | head -c $(($2 * 784)) >>"$1"
}
have() { command -v "$1" >/dev/null; }
patches="--patches --patch 8 --size 32"

mkdir -p photos/cat photos/dog
for i in 1 2 3 4 5; do
  picture "photos/cat/$i.ppm" $((30 + i)) 40 "$i"
  picture "photos/dog/$i.ppm" 50 $((20 + i)) "dog $i"
done

case_ "help of the program lists the modalities, help of a modality its options"
run mt-tokenize --help
expect_status 0
modalities="text image infrared xray hyperspectral point-cloud audio video imu time-series tabular graph"
for modality in $modalities; do expect_stdout "  $modality "; done
run mt-tokenize image --help
expect_status 0
expect_stdout "Usage: mt-tokenize image"
expect_stdout "--window"
expect_stdout "[shortest]"
run mt-tokenize xray --help
expect_stdout "--channels"
run mt-tokenize image --version
expect_status 0

case_ "each modality's man page lists the options of its help, and no others; its help fits"
for modality in $modalities; do
  page="$MT_BUILD/man/mt-tokenize-$modality.1"
  run mt-tokenize "$modality" --help
  check "lines fit" test -z "$(awk 'length > 120' stdout)"
  [ -e "$page" ] || continue
  mt-tokenize "$modality" --help-as names | sort >options
  sed 's/\\-/-/g; s/\\&//g' "$page" | sed -n '/^\.SH OPTIONS/,/^\.SH EX/p' | grep -oE -- '^\\fB(-o, )?--[a-z][a-z0-9-]*|^\\fB-., --[a-z][a-z0-9-]*' |
    grep -oE -- '--[a-z0-9-]+' | sort -u >described
  expect_same options described
done

case_ "completion offers the modalities first, and then asks the modality"
run mt-tokenize --help-as bash
expect_stdout "image infrared xray"
. ./stdout
COMP_WORDS=(mt-tokenize image --resi) COMP_CWORD=2
_mt_tokenize
check "--resize is offered" test "${COMPREPLY[*]}" = "--resize"

case_ "without a modality, with an unknown or a late one: usage errors that say which there are"
for words in "" "imge photos" "photos" "--quiet image photos" "--threads 2"; do
  run mt-tokenize $words
  expect_status 2
  expect_lines 2
done
run mt-tokenize imge photos
expect_stderr "did you mean image?"
run mt-tokenize --quiet image photos
expect_stderr "comes first"
run mt-tokenize
expect_stderr "image, infrared, xray"

case_ "wrong options are usage errors that name both sides, before anything is read"
while IFS='|' read -r words message; do
  run mt-tokenize image $words
  expect_status 2
  expect_lines 2
  expect_stderr "$message"
  expect_absent x.h5
done <<'END'
-o x.h5 --patches|no picture
photos --patches|--output
photos -o x.h5|tokens need a model
photos -o x.h5 --patches --size 225|225x225 is no whole number of patches of 16
photos -o x.h5 --patches --size big|"big" is not a side
photos -o x.h5 --patches --size 0|is not a side
photos -o x.h5 --patches --size 99999x99999|is not a side
photos -o x.h5 --patches --size 2x2x2|is not a side
photos -o x.h5 --patches --filter lanczos|--filter
photos -o x.h5 --patches --resize crop|--resize
photos -o x.h5 --patches --mean 1,2|not clip, imagenet, half or 3 numbers
photos -o x.h5 --patches --std 0|not clip, imagenet, half or 3 numbers
photos -o x.h5 --patches --std nan|not clip, imagenet, half or 3 numbers
photos -o x.h5 --patches --window 5|"5" is not two numbers
photos -o x.h5 --patches --window 5,4|LOW below HIGH
photos -o x.h5 --patches --window percentile:0,200|from 0 to 100
photos -o x.h5 --patches --preset clip --resize pad|--resize
photos -o x.h5 --patches --preset dino|--preset
photos -o x.h5 --patches --patch 0|--patch
photos -o x.h5 --patches --channels sum|--channels
photos -o x.h5 --patches --shard 4/4|shard 4 of 4 does not exist
photos -o - --patches --json|standard output carries the data
photos -o x.h5 --patches --compress 12|--compress
END
run mt-tokenize image photos/cat/1.ppm --patches --force -o photos/cat/1.ppm
expect_status 2
expect_stderr "is both input and output"
check "the input is unharmed" test "$(head -c 2 photos/cat/1.ppm)" = P6

case_ "missing inputs and models are named"
run mt-tokenize image nowhere $patches -o x.h5
expect_clean_failure mt-tokenize x.h5
expect_stderr "nowhere"
run mt-tokenize image photos --model nowhere.h5 -o x.h5
expect_clean_failure mt-tokenize x.h5
expect_stderr "nowhere.h5"

case_ "patches of a folder with its classes: one summary line, the same bytes for any number of threads"
run mt-tokenize image photos $patches --labels directory --threads 1 -o one.h5
expect_status 0
expect_lines 1
expect_stderr "10 samples"
expect_file one.h5
expect_absent one.h5.part
run mt-tokenize image photos $patches --labels directory --threads 3 --quiet -o three.h5
expect_status 0
expect_quiet
expect_same one.h5 three.h5

case_ "--json tells the result on standard output"
run mt-tokenize image photos $patches --json --quiet -o json.h5
expect_status 0
expect_stdout '"samples": 10'
expect_stdout '"tokens": 160'
expect_stdout '"width": 192'

case_ "--verbose adds the seconds of each stage"
run mt-tokenize image photos $patches --verbose -o verbose.h5
expect_status 0
expect_stderr "waiting for samples"

case_ "a list of paths on standard input is an input"
find photos -name '*.ppm' | sort >list
mt-tokenize image - $patches -o listed.h5 <list >stdout 2>stderr; status=$?
expect_status 0
expect_stderr "10 samples"

case_ "a pipe gets frames, a redirected file gets a plain file"
run_pipe "mt-tokenize image photos $patches -o - | cat >stream"
expect_status 0
check "frames" test "$(head -c 4 stream)" = MT5S
mt-tokenize image photos $patches -o - >plain.h5 2>stderr; status=$?
expect_status 0
check "HDF5" test "$(head -c 4 plain.h5 | tail -c 3)" = HDF
expect_same plain.h5 json.h5

case_ "a reader that goes away ends the program quietly"
for bytes in 1 100 5000; do
  run_pipe "mt-tokenize image photos $patches -o - | head -c $bytes >/dev/null"
  check "status $status is 0 or 141" test "$status" -eq 0 -o "$status" -eq 141
  expect_lines 1
done

case_ "what cannot be decoded is rejected with its reason, the rest go on, the status is 3"
cp -r photos broken
head -c 40 photos/cat/2.ppm >broken/cat/2.ppm
printf 'no picture at all' >broken/dog/4.ppm
run mt-tokenize image broken $patches --labels directory -o broken.h5
expect_status 3
expect_lines 3
expect_stderr "cat/2.ppm: "
expect_stderr "(skipped; --strict stops here)"
expect_stderr "2 rejected"
expect_file broken.h5

case_ "--strict makes the first one fatal"
run mt-tokenize image broken $patches --labels directory --strict -o strict.h5
expect_clean_failure mt-tokenize strict.h5
expect_stderr "cat/2.ppm"
expect_absent strict.h5.part

case_ "--retry-rejected takes the rejected inputs only, once they are repaired"
cp photos/cat/2.ppm broken/cat/2.ppm
cp photos/dog/4.ppm broken/dog/4.ppm
run mt-tokenize image broken $patches --labels directory --retry-rejected broken.h5 -o repaired.h5
expect_status 0
expect_stderr "2 samples"
run mt-tokenize image photos/cat $patches --retry-rejected broken.h5 -o none.h5
expect_clean_failure mt-tokenize none.h5
expect_stderr "not among the inputs"

case_ "an output made from the same inputs with the same settings is left, any other is refused without --force"
cp one.h5 before.h5
run mt-tokenize image photos $patches --labels directory --threads 2 -o one.h5
expect_status 0
expect_stderr "is there already"
expect_same one.h5 before.h5
run mt-tokenize image photos $patches --labels directory --resize pad -o one.h5
expect_clean_failure mt-tokenize
expect_same one.h5 before.h5
cp photos/cat/2.ppm kept.ppm
cp photos/cat/3.ppm photos/cat/2.ppm
run mt-tokenize image photos $patches --labels directory -o one.h5
expect_clean_failure mt-tokenize
expect_same one.h5 before.h5
cp kept.ppm photos/cat/2.ppm
run mt-tokenize image photos $patches --labels directory --resize pad --force -o one.h5
expect_status 0
check "another file" bash -c '! cmp -s one.h5 before.h5'

case_ "--dry-run says what it would come to and writes nothing"
run mt-tokenize image photos $patches --dry-run
expect_status 0
expect_stdout "samples  10"
expect_stdout "tokens   160"
run mt-tokenize image photos $patches --dry-run --json -o dry.h5
expect_status 0
expect_stdout '"samples": 10'
expect_absent dry.h5
expect_absent dry.h5.part

case_ "tokens of a random model: class token, positions, the same bytes for any number of threads"
if run mt-tokenize image photos --model random:tiny --labels directory --threads 1 -o tokens.h5; [ "$status" -eq 0 ]; then
  run mt-tokenize image photos --model random:tiny --labels directory --threads 4 --json --quiet -o tokens4.h5
  expect_status 0
  expect_stdout '"tokens": 1970'
  expect_stdout '"width": 192'
  expect_same tokens.h5 tokens4.h5
  run mt-tokenize image photos --model random:tiny --size 96x64 --json --quiet -o other.h5
  expect_status 0
  expect_stdout '"tokens": 250'
  run mt-tokenize image photos --model random:tiny --patch 14 -o x.h5
  expect_status 2
  expect_stderr "14 was asked for, the model's patches have a side of 16"
  run mt-tokenize infrared photos --model random:tiny --channels sum -o sum.h5
  expect_status 0
else
  fail "random:tiny: status $status"
fi

case_ "16-bit pictures: divided by 257, or windowed; infrared and xray window by themselves"
mkdir deep
for i in 1 2 3; do deep_picture "deep/$i.pgm" 40 30 "$i"; done
for words in "image --window none" "image --window 20000,30000" "infrared" "xray --window percentile:1,99" "infrared --channels sum"; do
  run mt-tokenize $words deep $patches --force -o deep.h5
  expect_status 0
  expect_lines 1
done
run mt-tokenize xray deep $patches --window dicom -o dicom.h5
expect_status 3
expect_stderr "has none of its own (use --window auto)"

case_ "shards of one list, joined, are the single run"
for shard in 0 1 2; do
  run mt-tokenize image photos $patches --labels directory --shard "$shard/3" -o "shard$shard.h5"
  expect_status 0
done
if have mt-cat; then
  run mt-cat shard2.h5 shard0.h5 shard1.h5 -o joined.h5
  expect_status 0
  if have mt-inspect && have h5dump; then
    for data in /patches /ids /labels /index /offsets /grid /centers; do
      h5dump -d "$data" joined.h5 | tail -n +2 >joined.txt
      h5dump -d "$data" before.h5 | tail -n +2 >single.txt
      expect_same joined.txt single.txt
    done
  fi
fi

case_ "names with odd bytes are escaped, read, and cannot forge a line"
mkdir odd
picture "odd/two
lines.ppm" 20 20 1
picture "odd/quote\"'.ppm" 20 20 2
picture "odd/-leading.ppm" 20 20 3
picture "odd/$(printf 'latin\351').ppm" 20 20 4
printf 'x' >"odd/bad
mt-tokenize: forged.ppm"
run mt-tokenize image odd $patches -o odd.h5
expect_status 3
expect_lines 2
check "no forged line" bash -c '! grep -q "^mt-tokenize: forged" stderr'

case_ "directories, pipes, devices and closed descriptors as inputs end cleanly"
mkdir empty
mkfifo fifo
for input in empty fifo /dev/zero /dev/null; do
  run timeout 20 mt-tokenize image "$input" $patches -o x.h5
  check "status $status of $input is 1 or 3" test "$status" -eq 1 -o "$status" -eq 3
  rm -f x.h5 x.h5.part
done
mt-tokenize image - $patches -o x.h5 <&- >stdout 2>stderr; status=$?
check "closed standard input: status $status is 1" test "$status" -eq 1
rm -f x.h5 x.h5.part
run mt-tokenize image photos $patches -o nowhere/x.h5
expect_clean_failure mt-tokenize nowhere/x.h5
run mt-tokenize image photos $patches -o odd
expect_clean_failure mt-tokenize

case_ "a full disk at any size is heard, and leaves nothing under the final name"
for blocks in 0 1 8 32 100 200; do
  # Through a pipe, because the limit is on the message's file too.
  bash -c "ulimit -f $blocks; exec mt-tokenize image photos $patches -o full.h5" 2>&1 | cat >stderr; status=${PIPESTATUS[0]}
  if [ "$status" -ne 0 ]; then expect_clean_failure mt-tokenize full.h5; fi
  rm -f full.h5 full.h5.part
done
mt-tokenize image photos $patches -o - >/dev/full 2>stderr; status=$?
expect_clean_failure mt-tokenize

case_ "killed at any point, --resume ends in the bytes of an uninterrupted run"
idx many.idx 3000
run mt-tokenize image many.idx --patches --patch 8 --size 64 -o whole_run.h5
expect_status 0
for kib in 1 2000 9000; do
  mt-tokenize image many.idx --patches --patch 8 --size 64 --threads 1 -o killed.h5 >stdout 2>stderr </dev/null &
  pid=$!
  while kill -0 $pid 2>/dev/null && [ "$(stat -c %s killed.h5.part 2>/dev/null || echo 0)" -lt $((kib * 1024)) ]; do sleep 0.01; done
  kill -9 $pid 2>/dev/null
  wait $pid 2>/dev/null
  if [ -e killed.h5 ]; then rm killed.h5; continue; fi # it was faster
  # A journal that holds no sealed samples yet is in nobody's way: nothing is lost with it.
  if mt-inspect killed.h5.part 2>/dev/null | grep 'sealed' | grep -qv ', 0 samples'; then
    run mt-tokenize image many.idx --patches --patch 8 --size 64 -o killed.h5
    check "without --resume the journal is refused" test "$status" -eq 1
  fi
  run mt-tokenize image many.idx --patches --patch 8 --size 64 --resume -o killed.h5
  expect_status 0
  expect_same killed.h5 whole_run.h5
  expect_absent killed.h5.part
  rm -f killed.h5
done

case_ "a signal ends it, by that signal, with a hint how to go on"
mt-tokenize image many.idx --patches --patch 8 --size 64 --threads 1 -o stopped.h5 >stdout 2>stderr </dev/null &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(stat -c %s stopped.h5.part 2>/dev/null || echo 0)" -lt 2000000 ]; do sleep 0.01; done
kill -TERM $pid 2>/dev/null
wait $pid 2>/dev/null; status=$?
if [ ! -e stopped.h5 ]; then
  expect_status 143
  expect_stderr "--resume goes on from"
  run mt-tokenize image many.idx --patches --patch 8 --size 64 --resume -o stopped.h5
  expect_status 0
  expect_same stopped.h5 whole_run.h5
fi
