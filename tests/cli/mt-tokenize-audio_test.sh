# mt-tokenize audio as users run it: odd files, windows of long recordings, what is fitted and what is not.
. "$(dirname "$0")/lib.sh"
mkdir -p train/low train/high test
for i in 1 2 3; do
  tone $((200 + i)) 1.$i "train/low/$i.wav"
  tone $((900 + i)) 1.$i "train/high/$i.wav"
done
tone 205 1 test/a.wav
small="--rate 8000 --bins 32 --length 64"

case_ "without a scale nothing is read; statistics of test data cannot be used by accident"
run mt-tokenize audio test $small --patches -o x.h5
expect_status 2
expect_stderr "log-mel values need a scale"
expect_absent x.h5
run mt-tokenize audio test $small --model random:tiny -o x.h5
expect_status 2
expect_stderr "--fit FILE with the training data"
run mt-tokenize audio test --normalize loud --patches -o x.h5
expect_status 2
expect_lines 2

case_ "what was fitted on training data is used for test data, and must not be contradicted"
run mt-tokenize audio train $small --labels directory --model random:tiny --fit audio.h5 -o train.h5
expect_status 0
expect_stderr "initialised from --seed"
run mt-tokenize audio test --model random:tiny --model audio.h5 -o test.h5
expect_status 0
run mt-inspect --json test.h5
expect_stdout '"bins": 32'
run mt-tokenize audio test --model random:tiny --model audio.h5 --bins 64 -o x.h5
expect_status 2
expect_stderr "has bins 32, 64 was asked for"
run mt-tokenize audio test --model audio.h5 --fit other.h5 -o x.h5
expect_status 2

case_ "the same bytes for any number of threads, and shards join to the single run"
for threads in 1 2 3; do
  run mt-tokenize audio train $small --normalize audioset --patches --threads $threads -o threads$threads.h5
  expect_status 0
done
expect_same threads1.h5 threads2.h5
expect_same threads1.h5 threads3.h5
for shard in 0 1; do run mt-tokenize audio train $small --normalize audioset --patches --shard $shard/2 -o shard$shard.h5; done
run mt-cat shard1.h5 shard0.h5 -o joined.h5
expect_status 0
run mt-inspect --verify joined.h5
expect_status 0

case_ "a long recording streams in windows, within bounded memory"
# An hour of silence as a WAV with a hole in it.
tone 200 0.001 long.wav
printf '\044\213\267\001' | dd of=long.wav bs=1 seek=4 conv=notrunc status=none
printf '\000\213\267\001' | dd of=long.wav bs=1 seek=40 conv=notrunc status=none
truncate -s $((44 + 28805888)) long.wav
sanitized && limit=unlimited || limit=2000000
run bash -c "ulimit -v $limit; mt-tokenize audio long.wav --window 10 --bins 32 --rate 8000 --normalize audioset --patches --threads 1 -o long.h5"
expect_status 0
run mt-inspect --json long.h5
expect_stdout '"samples": 360'
run mt-tokenize audio long.wav --length ragged --rate 8000 --normalize audioset --patches -o x.h5
expect_status 3
expect_stderr "would be one sample of 3601 s (--window SECONDS"
run mt-tokenize audio long.wav --length 64 --rate 8000 --normalize audioset --patches -o cut.h5
expect_status 0
expect_stderr "1 recordings went on behind 64 frames"

case_ "--frames writes the log-mel frames, one a row"
run mt-tokenize audio test --rate 8000 --bins 40 --frames -o frames.h5
expect_status 0
run mt-inspect frames.h5
expect_stdout "[98, 40]"

case_ "manifests with offsets, and their mistakes by line"
printf 'path,label,start,duration\ntest/a.wav,x,0,0.5\ntest/a.wav,y,0.4,\ntest/a.wav,y,7,\n' >list.csv
run mt-tokenize audio --manifest list.csv $small --normalize esc-50 --patches -o list.h5
expect_status 3
expect_stderr "starts at 7 s, but the recording ends after 1 s"
printf 'path,start\ntest/a.wav,soon\n' >broken.csv
run mt-tokenize audio --manifest broken.csv $small --normalize esc-50 --patches -o x.h5
expect_status 1
expect_stderr "broken.csv: line 2"

case_ "cut, empty, and other files are rejected by name; channels that are not there too"
head -c 3000 test/a.wav >cut.wav
: >empty.wav
echo "no sound" >text.wav
mkfifo pipe.wav
run timeout 20 mt-tokenize audio cut.wav empty.wav text.wav test/a.wav $small --normalize audioset --patches -o some.h5
expect_status 3
expect_stderr "the WAV ends after 2956 of 8000 bytes of sound"
expect_stderr "empty.wav: is empty"
expect_stderr "text.wav: is no recording"
rm -f x.h5
run timeout 20 mt-tokenize audio pipe.wav $small --normalize audioset --patches -o x.h5
expect_clean_failure mt-tokenize x.h5
run mt-tokenize audio test/a.wav --channel 2 $small --normalize audioset --patches -o x.h5
expect_status 3
expect_stderr "has 1 channels, number 2 was asked for"
run mt-tokenize audio cut.wav --strict $small --normalize audioset --patches -o y.h5
expect_clean_failure mt-tokenize y.h5

case_ "odd files of other people: a result, or a reason"
if [ -d "$SHARED_DATA/odd/audio" ]; then
  run mt-tokenize audio "$SHARED_DATA/odd/audio" --normalize audioset --length ragged --patches -o odd.h5
  expect_status 3
  check "every rejected file has one line" test "$(grep -vc skipped stderr)" -le 1
  check "some are read" test "$(mt-inspect --json odd.h5 | awk '$1 == "\"samples\":" { gsub(/,/, ""); print $2; exit }')" -ge 6
fi
