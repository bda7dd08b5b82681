# mt-tokenize tabular: schemas found, told and kept, and its bad days.
. "$(dirname "$0")/lib.sh"

cat >train.csv <<'END'
name,age,"city, country",class
"Ann ""A""",31,"Oslo, Norway",yes
Bob,,"Bonn, Germany",no
Cem,47.5,"Oslo, Norway",yes
Dai,NA,,no
END
cat >test.csv <<'END'
class;city, country;age;extra
no;Bonn, Germany;40;x
yes;"Lima; Peru";inf;y
maybe;Oslo, Norway;old;z
no;;22
no;Oslo, Norway;1e3;
END

case_ "the man page lists the options of the help, and no others"
page=$MT_BUILD/man/mt-tokenize-tabular.1
run mt-tokenize tabular --help
expect_status 0
check "lines fit" test -z "$(awk 'length > 120' stdout)"
if [ -e "$page" ]; then
  mt-tokenize tabular --help-as names | sort >options
  sed 's/\\-/-/g; s/\\&//g' "$page" | sed -n '/^\.SH OPTIONS/,/^\.SH EX/p' | grep -oE -- '^\\fB(-o, )?--[a-z][a-z0-9-]*|^\\fB-., --[a-z][a-z0-9-]*' |
    grep -oE -- '--[a-z0-9-]+' | sort -u >described
  expect_same options described
fi

case_ "the schema is found, printed and kept"
run mt-tokenize tabular train.csv --label class --drop name --model random:tiny --fit table.h5 -o train.h5
expect_status 0
expect_stderr "age: numeric, mean 39.25, deviation 8.25, 2 missing"
expect_stderr "city, country: 2 categories, 1 missing"
expect_stderr "name: left out"
expect_stderr "4 samples"
run mt-inspect --verify train.h5
expect_stdout "rows a sample  3"
expect_stdout "prefix 1"

case_ "other tables are read by the kept schema, whatever their columns' order; bad rows are rejected by name"
for threads in 1 3; do
  run mt-tokenize tabular test.csv --label class --model table.h5 --threads $threads -o test.$threads.h5
  expect_status 3
done
expect_same test.1.h5 test.3.h5
expect_stderr "not used: extra"
expect_stderr "test.csv#1: column \"age\": \"inf\" is no finite number"
expect_stderr "test.csv#2: column \"age\": \"old\" is no number"
expect_stderr "test.csv#3: has 3 fields, there are 4 columns"
expect_stderr "2 samples"
run mt-encode test.1.h5 --model random:tiny -o features.h5
expect_status 0
check "columns tell themselves apart without positions" test "$(grep -c 'no positions' stderr)" = 0
cut -d, -f1 train.csv >names.csv
run mt-tokenize tabular names.csv --model table.h5 -o x.h5
expect_clean_failure mt-tokenize x.h5
expect_stderr "has no column \"age\", which the tokenizer was fitted on"

case_ "test data's own statistics cannot slip in"
run mt-tokenize tabular test.csv --label class --model random:tiny -o x.h5
expect_status 2
expect_stderr "needs statistics of training data"
run mt-tokenize tabular test.csv --label class --model table.h5 --fit x.h5 -o y.h5
expect_status 2
expect_absent x.h5

case_ "patches hold scaled numbers and entries"
run mt-tokenize tabular train.csv --label class --drop name --patches --fit schema.h5 --quiet -o patches.h5
expect_status 0
run mt-cat patches.h5 --quiet -o patches.npz
if python3 -c 'import numpy' 2>/dev/null; then
  check "numbers" test "$(python3 -c 'import numpy; print(numpy.load("patches.npz")["patches"].ravel().tolist())')" = \
    "[-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]"
  check "entries" test "$(python3 -c 'import numpy; print(numpy.load("patches.npz")["codes"][:, 0].tolist())')" = \
    "[-1, 4, 0, 3, -1, 4, 0, 2]"
fi

case_ "no header, any separator, lines in front, words for missing values, targets, ids, quantiles, the original's layout"
printf '3,2\n1| a |?|0.5\n2| b |7|1.5\n?| a |9|2.5\n' >bars.txt
run mt-tokenize tabular bars.txt --skip-lines 1 --no-header --missing '?' --target 4 --scale quantile --width 8 --fit bars.h5 -o bars.tokens.h5
expect_status 0
expect_stderr "3: numeric, mean 8, deviation 1, 1 missing"
run mt-inspect bars.tokens.h5
expect_stdout "/targets"
run mt-tokenize tabular bars.txt --skip-lines 1 --no-header --id-column 4 --categorical 1 --bypass-numeric --width 8 --fit bypass.h5 -o bypass.tokens.h5
expect_status 0
run mt-inspect bypass.tokens.h5
expect_stdout "prefix 0"
run_pipe 'mt-tokenize tabular - --label class --model table.h5 --quiet -o - <train.csv | mt-inspect -'
expect_status 0
expect_stdout "4 samples"

case_ "numbers that bypass the encoder reach the head: of features, and through the encoder with the tokenizer"
awk 'BEGIN { srand(1); print "colour,noise,size,class"
  for (i = 0; i < 80; ++i) { s = rand() - 0.5; printf "%s,%s,%.4f,%s\n", i % 3 ? "red" : "blue", i % 5, s, (s > 0 ? "large" : "small") } }' >sizes.csv
bypass="mt-tokenize tabular sizes.csv --label class --quiet"
run $bypass --bypass-numeric --categorical noise --width 192 --fit sizes.h5 -o sizes.tokens.h5
expect_status 0
run mt-cat sizes.tokens.h5 -o sizes.tokens.csv
expect_status 0
check "a column of its own" grep -q '^id,index,label,size,row,' sizes.tokens.csv
run mt-encode sizes.tokens.h5 --model random:tiny --pool tokens -o no.h5
expect_clean_failure mt-encode no.h5
expect_stderr "1 numbers of each sample go round the encoder"
run mt-encode sizes.tokens.h5 --model random:tiny -o sizes.features.h5
expect_status 0
run mt-inspect sizes.features.h5
expect_stdout "[80, 193] float32"  # the encoder's 192 and one more
run mt-train-head sizes.features.h5 --quiet -o sizes.head.h5
expect_status 0
accuracy() { grep -o '"accuracy": *[0-9.]*' stdout | head -n 1 | grep -o '[0-9.]*$'; }
run mt-eval sizes.features.h5 --head sizes.head.h5 --json --quiet --bootstrap 0
check "the class is the number's sign: $(accuracy)" awk -v a="$(accuracy)" 'BEGIN { exit !(a > 0.95) }'
run $bypass --patches --model sizes.h5 -o sizes.patches.h5
run mt-train-head sizes.patches.h5 --model random:tiny --model sizes.h5 --validation 0 --epochs 60 --batch 20 --learning-rate 1e-2 --quiet -o sizes.task.h5
expect_status 0
run_pipe "mt-tokenize tabular sizes.csv --label class --model sizes.task.h5 --quiet -o - | mt-encode - --model sizes.task.h5 --quiet -o sizes.learned.h5"
expect_status 0
run mt-eval sizes.learned.h5 --model sizes.task.h5 --json --quiet --bootstrap 0
expect_status 0
check "so it is when all is learned: $(accuracy)" awk -v a="$(accuracy)" 'BEGIN { exit !(a > 0.95) }'

case_ "wrong options are usage errors"
while IFS='|' read -r words message; do
  run mt-tokenize tabular $words
  expect_status 2
  expect_lines 2
  expect_stderr "$message"
  expect_absent x.h5
done <<'END'
-o x.h5 --patches|no file is named
train.csv --patches --fit f.h5 --label klass -o x.h5|did you mean "class"?
train.csv --patches --fit f.h5 --drop 9 -o x.h5|no column is "9"; there are 4
train.csv --patches --fit f.h5 --separator ab -o x.h5|is not one character
train.csv --patches --fit f.h5 --scale log -o x.h5|--scale
train.csv --patches --fit f.h5 --max-line 0 -o x.h5|is not a size
train.csv --model table.h5 --drop age -o x.h5|the model's schema is fixed
train.csv --model table.h5 --scale standard -o x.h5|the model's schema is fixed
train.csv --model table.h5 --bypass-numeric -o x.h5|the model's schema is fixed
END
run mt-tokenize tabular train.csv --fit f.h5 -o x.h5
expect_status 2
expect_lines 2
expect_stderr "tokens need the width of an encoder"
expect_absent f.h5

case_ "a dry run writes no tokenizer either"
run mt-tokenize tabular train.csv --width 8 --fit dry.h5 --dry-run
expect_status 0
expect_stdout "samples  4"
expect_absent dry.h5

case_ "what is no table fails clean"
: >empty.csv
head -c 20000 /dev/urandom >noise.csv
head -c 40000000 /dev/zero | tr '\0' ',' >wide.csv
printf 'a,b\n' >header.csv
printf '"never closed\n' >quote.csv
printf '\377\376a\0,\0' >utf16.csv
for bad in empty noise wide header quote utf16; do
  run mt-tokenize tabular $bad.csv --patches --fit bad.h5 --quiet -o x.h5
  expect_clean_failure mt-tokenize x.h5
  expect_absent bad.h5
done
{ printf 'a,b\n1,2\n'; head -c 20000000 /dev/zero | tr '\0' '7'; printf ',2\n3,4\n'; } >long.csv
run mt-tokenize tabular long.csv --patches --fit long.h5 -o long.patches.h5
expect_status 3
expect_stderr "long.csv#1: is 19.1 MiB long, more than 16.0 MiB"
expect_stderr "2 samples"

case_ "every cut of a small table gives a clean end"
for cut in $(seq 1 3 "$(wc -c <train.csv)"); do
  head -c "$cut" train.csv >cut.csv
  run mt-tokenize tabular cut.csv --patches --fit cut.fit.h5 --quiet --force -o cut.h5
  checks=$((checks + 1))
  case $status in 0 | 1 | 3) ;; *) fail "cut at $cut: status $status" ;; esac
  check "cut at $cut: no bug shows" test -z "$(grep -iE 'sanitizer|runtime error|internal' stderr)"
done

case_ "real tables with quotes, gaps and a byte order mark, as pandas reads them"
odd=$SHARED_DATA/odd/csv
if [ -d "$odd" ]; then
  run mt-tokenize tabular "$odd/titanic_raw.csv" --label survived --patches --fit titanic.h5 -o titanic.patches.h5
  expect_status 0
  expect_stderr "age: numeric, mean 29.699, deviation 14.516, 177 missing"
  expect_stderr "ticket: 681 categories; most rows have one of their own: --drop it?"
  run mt-tokenize tabular "$odd/seaice.bom.csv" --patches --fit ice.h5 -o ice.patches.h5
  expect_status 0
fi
