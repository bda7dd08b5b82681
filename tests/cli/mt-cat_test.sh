# Joining, selecting, splitting, converting and exporting sample files.
. "$(dirname "$0")/lib.sh"

escape=$(printf '\033')
make_features all.h5 --samples 120 --unknown 40 --rejected 25
for i in 0 1 2 3; do make_features shard$i.h5 --samples 120 --unknown 40 --rejected 25 --shard $i/4; done
make_features tokens.h5 --samples 30 --tokens
ids() { mt-inspect --ids "$1"; }
count() { mt-inspect --json "$1" | sed -n 's/^  "samples": \([0-9]*\),/\1/p'; }

case_ "mt-cat: joined shards, in any order, have the bytes of the single run"
run mt-cat shard2.h5 shard0.h5 shard3.h5 shard1.h5 -o joined.h5 --quiet
expect_status 0
expect_quiet
expect_same joined.h5 all.h5
run mt-cat all.h5 -o copy.h5
expect_same copy.h5 all.h5
run mt-cat tokens.h5 -o tokens_copy.h5 --quiet
expect_same tokens_copy.h5 tokens.h5
for i in 0 1; do make_features part$i.h5 --samples 30 --tokens --shard $i/2; done
run mt-cat part1.h5 part0.h5 -o tokens_joined.h5 --quiet
expect_same tokens_joined.h5 tokens.h5

case_ "mt-cat: missing and doubled shards are named"
run mt-cat shard0.h5 shard1.h5 shard3.h5 -o no.h5
expect_clean_failure mt-cat no.h5
expect_stderr "shard 2 of 4 is missing"
run mt-cat shard0.h5 shard1.h5 shard2.h5 shard3.h5 shard1.h5 -o no.h5
expect_clean_failure mt-cat no.h5
expect_stderr "shard1.h5"
run mt-cat shard0.h5 shard1.h5 shard3.h5 --allow-missing -o three.h5 --quiet
expect_status 0
make_features other.h5 --samples 120 --shard 1/4 --config '{"pool":"mean"}'
run mt-cat shard0.h5 other.h5 shard2.h5 shard3.h5 -o no.h5
expect_clean_failure mt-cat no.h5
expect_stderr "pool"
run mt-cat all.h5 tokens.h5 -o no.h5
expect_clean_failure mt-cat no.h5

case_ "mt-cat: what was rejected, repaired and retried joins to the run in which it was never broken"
mkdir photos
for i in 1 2 3 4 5; do
  { printf 'P6\n40 30\n255\n'; yes "picture $i of the test" | head -c 3600; } >"photos/$i.ppm"
done
tokenize() { run mt-tokenize image "$@" --model random:tiny --size 32 --quiet; }
encode() { run mt-encode "$1.h5" --model random:tiny -o "$1.features.h5" --quiet; expect_status "$2"; }
tokenize photos -o clean.h5
expect_status 0
cp -r photos broken
for i in 2 4; do head -c 30 "photos/$i.ppm" >"broken/$i.ppm"; done
tokenize broken -o broken.h5
expect_status 3
cp photos/2.ppm broken/2.ppm
tokenize broken --retry-rejected broken.h5 -o retried.h5
expect_status 3
run mt-cat broken.h5 retried.h5 -o partly.h5 --quiet
expect_status 0
run mt-inspect partly.h5
expect_stdout "4 samples"
cp photos/4.ppm broken/4.ppm
tokenize broken --retry-rejected partly.h5 -o again.h5
expect_status 0
run mt-cat partly.h5 again.h5 -o whole.h5 --quiet
expect_status 0
expect_same whole.h5 clean.h5
run mt-cat again.h5 broken.h5 retried.h5 -o whole.h5
expect_status 0
expect_stderr "whole.h5: exists and is equal"
run_pipe "mt-cat broken.h5 -o - --quiet | mt-cat - again.h5 retried.h5 -o streamed.h5 --quiet"
expect_status 0
expect_same streamed.h5 clean.h5
tokenize broken -o whole.h5
expect_status 0
encode clean 0
encode partly 0
encode again 0
run mt-cat partly.features.h5 again.features.h5 -o whole.features.h5 --quiet
expect_same whole.features.h5 clean.features.h5
run mt-cat --virtual partly.features.h5 again.features.h5 -o virtual.features.h5 --quiet
expect_status 0
run mt-cat virtual.features.h5 -o copied.features.h5 --quiet
expect_same copied.features.h5 clean.features.h5
run mt-cat clean.h5 again.h5 -o no.h5
expect_clean_failure mt-cat no.h5
expect_stderr "is in clean.h5 too"

case_ "mt-cat: --virtual refers to the shards"
run mt-cat --virtual shard0.h5 shard1.h5 shard2.h5 shard3.h5 -o -
expect_status 2
expect_stderr "give -o a file name"
run mt-cat --virtual shard0.h5 shard1.h5 shard2.h5 shard3.h5 -o virtual.h5 --quiet
expect_status 0
run mt-cat virtual.h5 -o from_virtual.csv --quiet
mt-cat all.h5 -o from_all.csv --quiet
expect_same from_virtual.csv from_all.csv
run mt-cat --virtual all.h5 --head 3 -o no.h5
expect_status 2
expect_stderr "it neither selects nor splits nor exports"

case_ "mt-cat: selects by rows, ids, labels, head and tail"
run mt-cat all.h5 --rows 10:20 -o s.h5 --quiet
expect_status 0
ids s.h5 >got
ids all.h5 | sed -n 11,20p >wanted
expect_same got wanted
shuf -n 7 --random-source=all.h5 <(ids all.h5) | sort >list
run mt-cat all.h5 --ids list -o s.h5 --force --quiet
ids s.h5 | sort >got
expect_same got list
run mt-cat all.h5 --label fox --label cat -o s.h5 --force --quiet
run mt-inspect s.h5
expect_stdout "2 classes, 0 unknown"
expect_stdout "38  cat"
check "dogs are gone" bash -c '! grep -q dog stdout'
run mt-cat all.h5 --label dog --tail 2 -o s.h5 --force --quiet
check "two samples" test "$(count s.h5)" -eq 2
run mt-cat all.h5 --head 3 -o s.h5 --force --quiet
ids s.h5 >got
ids all.h5 | head -n 3 >wanted
expect_same got wanted

case_ "mt-cat: samples by number and by fraction, seeded"
run mt-cat all.h5 --sample 25 -o a.h5 --quiet
check "25 samples" test "$(count a.h5)" -eq 25
run mt-cat all.h5 --sample 25 -o b.h5 --quiet
expect_same a.h5 b.h5
run mt-cat all.h5 --sample 25 --seed 1 -o c.h5 --quiet
check "another seed differs" bash -c '! cmp -s a.h5 c.h5'
run mt-cat all.h5 --sample 0.5 -o half.h5 --quiet
run_pipe "make_features - --samples 120 --unknown 40 --rejected 25 | mt-cat - --sample 0.5 -o half_of_stream.h5 --quiet"
expect_same half.h5 half_of_stream.h5

case_ "mt-cat: splits are disjoint, complete, stratified and repeatable"
run mt-cat all.h5 --split train=0.8,test=0.2 -o 'part.{}.h5' --quiet
expect_status 0
{ ids part.train.h5 && ids part.test.h5; } | sort >got
ids all.h5 | sort >wanted
expect_same got wanted
check "a fifth is for the test" test "$(count part.test.h5)" -eq 23
run mt-cat all.h5 --split train=0.8,test=0.2 -o 'again.{}.h5' --quiet
expect_same part.test.h5 again.test.h5
make_features windows.h5 --samples 120 --windows 6
run mt-cat windows.h5 --split a=0.5,b=0.5 --group source -o 'w.{}.h5' --quiet
for p in a b; do ids w.$p.h5 | sed 's/#.*//' | sort -u >recordings.$p; done
check "no recording on both sides" test -z "$(comm -12 recordings.a recordings.b)"
{ echo id,group && ids windows.h5 | awk '{ print $0 "," NR % 5 }'; } >groups.csv
run mt-cat windows.h5 --split a=0.6,b=0.4 --group groups.csv -o 'g.{}.h5' --quiet
expect_status 0
check "three groups of 24" test "$(count g.a.h5)" -eq 72

case_ "mt-cat: streams and files turn into each other"
run_pipe "mt-cat all.h5 -o - | mt-cat - -o back.h5 --quiet"
expect_status 0
expect_same back.h5 all.h5
run_pipe "cat tokens.h5 | mt-cat - -o back_tokens.h5 --quiet"
expect_same back_tokens.h5 tokens.h5
mt-cat all.h5 -o - --quiet >redirected.h5
expect_same redirected.h5 all.h5
run_pipe "mt-cat tokens.h5 -o - --quiet | mt-cat - --head 2 --format csv -o -"
expect_status 0
check "csv of a stream" bash -c "head -n 1 stdout | grep -q '^id,index,label,row,token0,'"

case_ "mt-cat: exports .csv and .npz"
run mt-cat all.h5 -o all.csv --quiet
expect_status 0
check "a line each" test "$(wc -l <all.csv)" -eq "$(($(count all.h5) + 1))"
run mt-cat all.h5 -o all.npz --quiet
expect_status 0
run mt-inspect all.npz
expect_stdout "npz checkpoint"
expect_stdout "[$(count all.h5), 8] float32"
if command -v unzip >/dev/null; then check "a whole zip archive" unzip -tqq all.npz; fi
run mt-cat all.h5 --format npz -o -
expect_status 2
expect_stderr ".npz needs a file"
run mt-cat all.h5 --format parquet -o x
expect_status 2
expect_stderr '"parquet" is none of h5, npz and csv'

case_ "mt-cat: --fuse makes one sequence of the tokens of two modalities, which the encoder takes"
make_features frames.h5 --samples 6 --width 192 --tokens --leading 1 --modality video
make_features sound.h5 --samples 6 --width 192 --tokens --leading 1 --modality audio --seed 1
run mt-cat --fuse frames.h5 sound.h5 -o fused.h5 --quiet
expect_status 0
expect_quiet
run mt-inspect --verify fused.h5
expect_stdout "video+audio"
expect_stdout "6 samples"
run mt-encode fused.h5 --model random:tiny --quiet -o fused.features.h5
expect_status 0
run mt-cat --fuse frames.h5 sound.h5 --head 2 -o some.h5 --quiet
check "two samples" test "$(count some.h5)" = 2
run mt-cat --fuse frames.h5 some.h5 -o no.h5
expect_clean_failure mt-cat no.h5
expect_stderr "lacks the sample"
run mt-cat --fuse frames.h5 all.h5 -o no.h5
expect_clean_failure mt-cat no.h5
run mt-cat --fuse frames.h5 -o no.h5
expect_status 2
run_pipe 'mt-cat sound.h5 --quiet -o - | mt-cat --fuse frames.h5 - -o no.h5'
expect_stderr "is a stream, in which samples cannot be looked up"
expect_absent no.h5

case_ "mt-cat: --dry-run counts and writes nothing"
run mt-cat all.h5 --split train=0.8,test=0.2 -o 'dry.{}.h5' --dry-run
expect_status 0
expect_stdout "dry.test.h5: 23 samples"
expect_absent dry.test.h5

case_ "mt-cat: ids and labels that are not there are named, and nothing is written"
printf 'img0.png\nabsent.png\n' >list
run mt-cat all.h5 --ids list -o no.h5
expect_clean_failure mt-cat no.h5
expect_absent no.h5.part
expect_stderr "list: 1 of its ids are not in the input: absent.png"
run mt-cat all.h5 --label dgo -o no.h5
expect_clean_failure mt-cat no.h5
expect_stderr 'did you mean "dog"?'
run mt-cat windows.h5 --split a=0.5,b=0.5 --group list -o 'no.{}.h5'
expect_clean_failure mt-cat no.a.h5
run mt-cat all.h5 --ids absent.txt -o no.h5
expect_clean_failure mt-cat no.h5

case_ "mt-cat: what cannot be meant is a usage error"
for words in "--rows 5:1" "--rows x" "--sample 0" "--head 0" "--tail -1" "--split train=1" "--group source" \
  "--split a=0.5,b=0.5"; do
  run mt-cat all.h5 $words -o no.h5
  expect_status 2
  expect_lines 2
done
run_pipe "make_features - | mt-cat - --tail 3 -o no.h5"
expect_status 2
expect_stderr "save the stream as a file first"
run mt-cat all.h5
expect_status 2

case_ "mt-cat: outputs that exist are left alone, equal ones are recognised"
echo keep >kept.h5
run mt-cat all.h5 -o kept.h5
expect_status 1
check "untouched" grep -qx keep kept.h5
run mt-cat all.h5 -o copy.h5
expect_status 0
expect_stderr "copy.h5: exists and is equal; nothing to do"
run mt-cat all.h5 -o all.csv
expect_clean_failure mt-cat
expect_stderr "all.csv: exists already"
run mt-cat all.h5 -o ./all.h5 --head 3 --force
expect_status 2
expect_stderr "./all.h5: is both input and output (name another output)"
run mt-inspect --verify all.h5
expect_status 0

case_ "mt-cat: models, damaged files and missing files are refused"
make_features --head head.h5
head -c 3000 all.h5 >short.h5
for bad in head.h5 short.h5 absent.h5 list .; do
  run mt-cat "$bad" -o no.h5
  expect_clean_failure mt-cat no.h5
done

case_ "mt-cat: names from files are text"
make_features hostile.h5 --samples 6 --classes "$(printf 'a\033[2J'),=b" --prefix "@x"
run mt-cat hostile.h5 -o hostile.csv --quiet
check "no formula" bash -c "! grep -qE '(^|,)[=@]' hostile.csv"
mt-inspect --ids hostile.h5 >list
run mt-cat hostile.h5 --ids list -o same.h5 --quiet
expect_same same.h5 hostile.h5
run mt-cat hostile.h5 --label nothing -o no.h5
check "no escape in the error" bash -c "! grep -q '$escape' stderr"

case_ "mt-cat: a closed pipe ends it quietly, a full disk loudly, and nothing stays behind"
make_features many.h5 --samples 20000
bash -c 'mt-cat many.h5 --format csv -o - --quiet | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}' 2>stderr
status=$?
expect_status 141
expect_quiet
mt-cat many.h5 --format csv -o - --quiet >/dev/full 2>stderr
status=$?
expect_clean_failure mt-cat
check "no temporary file stayed" test -z "$(ls -A | grep -E '^\.' || true)"
