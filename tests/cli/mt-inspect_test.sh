# What mt-inspect says about files, whole and damaged.
. "$(dirname "$0")/lib.sh"

make_features features.h5 --samples 50 --unknown 7 --rejected 9 --head head.h5
make_features tokens.h5 --samples 20 --tokens
make_features run.h5 --samples 40 --journal
make_features - --samples 50 >/dev/null # seen to work before it is put into pipes
escape=$(printf '\033')

case_ "mt-inspect: samples are described with shapes, labels, rejects and configuration"
run mt-inspect features.h5
expect_status 0
expect_quiet
expect_stdout "features.h5: features of image, 44 samples, [44, 8] float32"
expect_stdout "3 classes, 7 unknown"
expect_stdout "14  cat"
expect_stdout "rejected       6"
expect_stdout "config         pool = cls"
run mt-inspect tokens.h5
expect_stdout "prefix 0, positions applied, pre-norm applied"
expect_stdout "rows a sample  1 to 3, mean 1.95"

case_ "mt-inspect: models and checkpoints list their tensors and count parameters"
run mt-inspect head.h5
expect_status 0
expect_stdout "head.h5: model with head, 2 tensors, 27 parameters"
expect_stdout "layers.0.weight  [3, 8] float32"
expect_stdout "kind = linear"
run mt-inspect --stats "$MT_SOURCE/tests/golden/checkpoints/"*.safetensors
expect_status 0

case_ "mt-inspect: --json is one document, the same facts"
run mt-inspect --json --stats --verify features.h5
expect_status 0
for fact in '"samples": 44' '"cat": 14' '"unknown": 7' '"rejected": 6' '"complete": true' '"verified": true' '"checksums": true' \
  '"nan": 0' '"pool": "cls"'; do
  expect_stdout "$fact"
done
run mt-inspect --json features.h5 head.h5
check "several files give a line each" test "$(wc -l <stdout)" -eq 2

case_ "mt-inspect: several files get a line each"
run mt-inspect features.h5 head.h5 tokens.h5
expect_status 0
check "three lines" test "$(wc -l <stdout)" -eq 3

case_ "mt-inspect: streams are read to their end"
run_pipe "make_features - --samples 30 | mt-inspect -"
expect_status 0
expect_stdout "standard input: features of image, 30 samples"
run_pipe "make_features - --samples 30 --tokens | mt-inspect --json -"
expect_stdout '"container": "stream"'
run_pipe "cat features.h5 | mt-inspect -"
expect_status 0
expect_stdout "44 samples"

case_ "mt-inspect: a journal says how many samples are sealed"
run mt-inspect run.h5.part
expect_status 0
expect_stdout "run.h5.part: features of image, 40 samples"
expect_stdout "a journal: these samples are sealed"

case_ "mt-inspect: a stream that was cut tells what came whole; --verify fails"
make_features - --samples 50 | head -c 9000 >cut.stream
run mt-inspect cut.stream
expect_status 0
expect_stdout "32 samples"
expect_stdout "is cut within frame 3"
run mt-inspect --json cut.stream
expect_stdout '"complete": false'
run mt-inspect --verify cut.stream
expect_clean_failure mt-inspect
expect_stderr "cut.stream: is cut within frame 3"

case_ "mt-inspect: --verify notices a flipped bit that a glance does not"
make_features large.h5 --samples 400 --width 64
cp large.h5 flipped.h5
printf '\125' | dd of=flipped.h5 bs=1 seek=$(($(stat -c %s flipped.h5) / 2)) conv=notrunc status=none
run mt-inspect flipped.h5
expect_status 0
run mt-inspect --verify flipped.h5
expect_clean_failure mt-inspect
expect_stderr "flipped.h5: "
run mt-inspect --verify large.h5
expect_status 0
expect_stdout ", verified"
cp head.h5 changed.h5
# The last kilobytes of a model file are tensors.
printf '\125' | dd of=changed.h5 bs=1 seek=$(($(stat -c %s changed.h5) - 70)) conv=notrunc status=none
run mt-inspect --verify changed.h5
expect_clean_failure mt-inspect
expect_stderr "changed.h5"

case_ "mt-inspect: --verify notices an id that stands twice"
make_features twice.h5 --samples 6 --twice
run mt-inspect twice.h5
expect_status 0
run mt-inspect --verify twice.h5
expect_clean_failure mt-inspect
expect_stderr "twice.h5: /ids holds an id twice (mt-inspect --ids lists them)"

case_ "mt-inspect: --check prints the bad files with the reason, and fails"
head -c 3000 features.h5 >short.h5
echo "not a file of ours" >other.txt
run mt-inspect --check features.h5 short.h5 flipped.h5 head.h5 other.txt tokens.h5
expect_status 1
check "three bad lines" test "$(wc -l <stdout)" -eq 3
expect_stdout "short.h5: "
expect_stdout "flipped.h5: "
expect_stdout "other.txt: "
expect_stderr "3 of 6 files are bad"
run mt-inspect --check features.h5 head.h5
expect_status 0
expect_stderr "2 files are whole"
run mt-inspect --check --quiet features.h5
expect_quiet

case_ "mt-inspect: of several files the bad ones are named, the others described"
run mt-inspect features.h5 absent.h5 head.h5
expect_status 1
check "two lines" test "$(wc -l <stdout)" -eq 2
expect_stderr "absent.h5: could not open: No such file or directory"
expect_stderr "1 of 3 files are bad"

case_ "mt-inspect: what is no file of ours is refused in one line"
mkdir directory
: >empty
for bad in absent.h5 directory empty other.txt short.h5 /dev/null; do
  run mt-inspect "$bad"
  expect_clean_failure mt-inspect
  expect_stderr "$bad: "
done
run_pipe "echo hello | mt-inspect -"
expect_clean_failure mt-inspect
run mt-inspect --ids --json features.h5
expect_status 2
expect_stderr "--ids"

case_ "mt-inspect: --ids prints every id as mt-cat reads it"
run mt-inspect --ids features.h5
expect_status 0
check "44 ids" test "$(wc -l <stdout)" -eq 44
make_features odd.h5 --samples 2 --prefix "=a,b"
run mt-inspect --ids odd.h5
expect_stdout '"'"'"'=a,b0.png"'
run_pipe "make_features - --samples 5 | mt-inspect --ids -"
check "5 ids" test "$(wc -l <stdout)" -eq 5

case_ "mt-inspect: names from files cannot move the cursor"
make_features hostile.h5 --samples 3 --classes "$(printf 'a\033[2J,b')" --modality "$(printf 'x\033]0;t\007')" \
  --config '{"a\u001b[31m": "\u001b[2J\n"}'
for form in "" --json --verify; do
  run mt-inspect $form hostile.h5
  expect_status 0
  check "no escape ($form)" bash -c "! grep -q '$escape' stdout"
done
run mt-inspect "$(printf 'no\033[2J.h5')"
check "no escape in the error" bash -c "! grep -q '$escape' stderr"

case_ "mt-inspect: a full standard output is heard, a closed pipe ends it quietly"
mt-inspect features.h5 >/dev/full 2>stderr
status=$?
expect_clean_failure mt-inspect
make_features many.h5 --samples 30000 --width 2
bash -c 'mt-inspect --ids many.h5 | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}' 2>stderr
status=$?
expect_status 141
expect_quiet
