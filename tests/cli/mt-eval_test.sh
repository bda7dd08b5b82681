# Scoring features with a head: numbers, predictions, pictures, and every refusal.
. "$(dirname "$0")/lib.sh"

escape=$(printf '\033')
make_features test.h5 --samples 300 --noise 1.5 --head head.h5
make_features new.h5 --samples 20 --no-labels
number() { sed -n "s/^ *\"$1\": \([0-9.e-]*\),*$/\1/p" stdout | head -n 1; }

case_ "mt-eval: prints metrics with intervals and a row for each class"
run mt-eval test.h5 --model head.h5 --quiet
expect_status 0
expect_quiet
expect_stdout "300 samples, 300 labelled, 3 classes"
check "accuracy with interval" grep -qE '^accuracy +0\.[0-9]{4}  \[0\.[0-9]{4}, 0\.[0-9]{4}\]$' stdout
expect_stdout "95 % intervals of 1000 bootstrap resamples, seed 0"
check "a row for dog" grep -qE '^dog +100 ' stdout

case_ "mt-eval: --json has the same numbers at full precision, whatever the threads"
run mt-eval test.h5 --head head.h5 --json --threads 1 --quiet
expect_status 0
cp stdout one.json
expect_stdout '"labelled": 300'
run mt-eval test.h5 --head head.h5 --json --threads 3 --quiet
expect_same stdout one.json
accuracy=$(number accuracy)
run mt-eval test.h5 --model head.h5 --predictions predictions.csv --json --quiet
expect_same stdout one.json
check "the accuracy is the share of equal columns" bash -c "tr -d '\r' <predictions.csv | awk -F, -v a=$accuracy \
  'NR > 1 { n++; c += \$2 == \$3 } END { d = c / n - a; exit !(n == 300 && d < 1e-12 && d > -1e-12) }'"

case_ "mt-eval: another seed gives other intervals, no resamples none"
run mt-eval test.h5 --model head.h5 --json --quiet --seed 7
check "the accuracy stays" test "$(number accuracy)" = "$accuracy"
check "intervals differ" bash -c '! cmp -s stdout one.json'
run mt-eval test.h5 --model head.h5 --quiet --bootstrap 0
check "no brackets" bash -c '! grep -q "\[" stdout'
run mt-eval test.h5 --model head.h5 --quiet --top-k 2
expect_stdout "top 2 accuracy"
run mt-eval test.h5 --model head.h5 --quiet --max-classes 2
expect_stdout "(2 of 3 classes, lowest f1 first; --json has all)"

case_ "mt-eval: predictions as CSV, on standard output too"
run mt-eval test.h5 --model head.h5 --predictions - --quiet
expect_status 0
expect_quiet
expect_same stdout predictions.csv
check "header" bash -c "head -n 1 stdout | tr -d '\r' | grep -qx 'id,label,prediction,score:cat,score:dog,score:fox'"
run mt-eval test.h5 --model head.h5 --predictions -
expect_stderr "accuracy"

case_ "mt-eval: without labels there are predictions and no metrics"
run mt-eval new.h5 --model head.h5 --predictions new.csv
expect_status 0
expect_stderr "no sample has a label"
expect_stdout "20 samples, 0 labelled, 3 classes"
check "the label is empty" bash -c "sed -n 2p new.csv | grep -qE '^img0.png,,(cat|dog|fox),'"
run mt-eval new.h5 --model head.h5 --json --quiet --report new.html --confusion new.confusion.csv
expect_status 0
expect_stdout '"metrics": {}'

case_ "mt-eval: some labels unknown"
make_features some.h5 --samples 30 --unknown 3
run mt-eval some.h5 --model head.h5 --quiet
expect_stdout "30 samples, 20 labelled"

case_ "mt-eval: a predictions file, from files, shards and streams"
run mt-eval test.h5 --model head.h5 -o scores.h5 --quiet
expect_status 0
run mt-inspect --verify scores.h5
expect_stdout "predictions of image, 300 samples, [300, 3] float32"
run_pipe "make_features - --samples 300 --noise 1.5 | mt-eval - --model head.h5 -o - --quiet | mt-inspect -"
expect_status 0
expect_stdout "300 samples, [300, 3] float32"
run_pipe "make_features - --samples 300 --noise 1.5 | mt-eval - --model head.h5 --json --quiet"
check "a stream gives the same numbers" bash -c "grep -v '\"samples\": \"' stdout | cmp -s - <(grep -v '\"samples\": \"' one.json)"
for i in 0 1; do make_features shard$i.h5 --samples 300 --noise 1.5 --shard $i/2; done
run mt-eval shard0.h5 shard1.h5 --model head.h5 --quiet
expect_stdout "300 samples, 300 labelled"

case_ "mt-eval: classes are matched by name, not by number"
make_features turned.h5 --samples 30 --classes dog,cat,fox
run mt-eval turned.h5 --model head.h5 --json --quiet --bootstrap 0
# Features lie where the number says, so that dogs look like cats to this head.
check "cats and dogs are taken for each other" test "$(number accuracy | cut -c 1-4)" = 0.33
make_features strange.h5 --samples 30 --classes cat,dogg,cow
run mt-eval strange.h5 --model head.h5
expect_clean_failure mt-eval
expect_stderr 'strange.h5: its class "dogg" (and 1 more) is none of the 3 known classes (did you mean "dog"?)'

case_ "mt-eval: pictures and the page"
run mt-eval test.h5 --model head.h5 --quiet --confusion c.csv --report page.html
expect_status 0
check "csv" bash -c "head -n 1 c.csv | tr -d '\r' | grep -qx 'label,cat,dog,fox'"
expect_file page.html
check "no script" bash -c '! grep -qi "<script" page.html'
run mt-eval test.h5 --model head.h5 --quiet --confusion c.svg --report again.html
expect_same page.html again.html
check "svg" grep -q "^<svg " c.svg

case_ "mt-eval: another width is refused with both numbers"
make_features narrow.h5 --samples 5 --width 5
run mt-eval narrow.h5 --model head.h5 --predictions no.csv
expect_clean_failure mt-eval no.csv
expect_stderr "narrow.h5: /features is 5 wide, the head takes 8"

case_ "mt-eval: features of another encoder or modality are doubted, with --strict refused"
make_features other.h5 --samples 9 --config '{"pool":"mean"}'
run mt-eval other.h5 --model head.h5 --quiet
expect_status 0
expect_stderr "other.h5: was made with another encoder or other settings than the head's training samples"
run mt-eval other.h5 --model head.h5 --strict
expect_clean_failure mt-eval
expect_stderr "leave --strict out"
make_features sound.h5 --samples 9 --modality audio
run mt-eval sound.h5 --model head.h5 --quiet
expect_stderr "sound.h5: is of modality audio, the head was trained on image"
make_features tokens.h5 --samples 6 --tokens
run mt-eval tokens.h5 --model head.h5
expect_status 1
expect_stderr "tokens.h5: img1.png: has 2 rows, the head takes 1 a sample"

case_ "mt-eval: predictions files and models are no features"
run mt-eval scores.h5 --model head.h5
expect_clean_failure mt-eval
expect_stderr "scores.h5: holds predictions, not features (mt-encode makes features)"
run mt-eval head.h5 --model head.h5
expect_clean_failure mt-eval
run mt-eval test.h5 --model test.h5
expect_clean_failure mt-eval

case_ "mt-eval: a value that is no number is named with its sample"
make_features nan.h5 --samples 40 --nan 17
run mt-eval nan.h5 --model head.h5 --predictions no.csv -o no.h5
expect_clean_failure mt-eval no.csv
expect_absent no.h5
expect_stderr "nan.h5: img17.png: "

case_ "mt-eval: existing outputs are left alone without --force"
echo keep >kept.csv
run mt-eval test.h5 --model head.h5 --predictions kept.csv
expect_status 1
expect_stderr "kept.csv: exists already (use --force to replace it)"
check "untouched" grep -qx keep kept.csv
run mt-eval test.h5 --model head.h5 --predictions kept.csv --force --quiet
expect_status 0
expect_same kept.csv predictions.csv

case_ "mt-eval: what cannot be meant is a usage error"
run mt-eval test.h5
expect_status 2
expect_stderr "the head is missing"
run mt-eval test.h5 --model head.h5 --confusion c.png
expect_status 2
expect_stderr "c.png ends neither in .csv nor in .svg"
run mt-eval test.h5 --model head.h5 --json --predictions -
expect_status 2
expect_stderr "can take one of -o, --predictions and --json"
run mt-eval test.h5 --model head.h5 --model head.h5
expect_status 1
expect_stderr "holds a second head"
run mt-eval absent.h5 --model head.h5
expect_clean_failure mt-eval
run mt-eval test.h5 --model absent.h5
expect_clean_failure mt-eval

case_ "mt-eval: --dry-run checks and writes nothing"
run mt-eval test.h5 --model head.h5 --dry-run --predictions dry.csv
expect_status 0
expect_stdout "test.h5: 300 samples"
expect_absent dry.csv
run mt-eval narrow.h5 --model head.h5 --dry-run
expect_clean_failure mt-eval

case_ "mt-eval: names from files are text: no escapes, no formulas, no markup"
hostile="$(printf 'a\033[2J'),=1+1,<script>x</script>"
make_features hostile.h5 --samples 30 --classes "$hostile" --prefix "@x" --head hostile_head.h5
run mt-eval hostile.h5 --model hostile_head.h5 --quiet --predictions hostile.csv --report hostile.html --confusion hostile.svg
expect_status 0
check "no escape on the terminal" bash -c "! grep -q '$escape' stdout"
check "no markup in the page" bash -c '! grep -q "<script" hostile.html hostile.svg'
check "no escape in the page" bash -c "! grep -q '$escape' hostile.html hostile.svg"
check "no formula in the table" bash -c "! grep -qE '(^|,)[=@]' hostile.csv"

case_ "mt-eval: a closed pipe ends it quietly, a full disk loudly"
make_features many.h5 --samples 20000 --width 8 --no-labels
bash -c 'mt-eval many.h5 --model head.h5 --predictions - --quiet | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}' 2>stderr
status=$?
expect_status 141
expect_quiet
mt-eval test.h5 --model head.h5 --quiet --json >/dev/full 2>stderr
status=$?
expect_clean_failure mt-eval
check "no temporary file stayed" test -z "$(ls -A | grep -E '^\.' || true)"
