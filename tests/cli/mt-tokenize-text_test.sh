# mt-tokenize text: vocabularies, tables from checkpoints, fitting and using, and its bad days.
. "$(dirname "$0")/lib.sh"

pieces() { printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the sea is cold warm '##er' , .; }
pieces >vocab.txt
printf 'The sea is cold.\tno\nthe sea is warmer\tyes\n\tno\n' >train.tsv
printf 'warm, warmer\tyes\nthe cold sea\tno\n' >test.tsv
columns="--column 1 --label-column 2"
golden=$MT_SOURCE/tests/golden/checkpoints

case_ "the man page lists the options of the help, and no others"
page=$MT_BUILD/man/mt-tokenize-text.1
run mt-tokenize text --help
expect_status 0
check "lines fit" test -z "$(awk 'length > 120' stdout)"
if [ -e "$page" ]; then
  mt-tokenize text --help-as names | sort >options
  sed 's/\\-/-/g; s/\\&//g' "$page" | sed -n '/^\.SH OPTIONS/,/^\.SH EX/p' | grep -oE -- '^\\fB(-o, )?--[a-z][a-z0-9-]*|^\\fB-., --[a-z][a-z0-9-]*' |
    grep -oE -- '--[a-z0-9-]+' | sort -u >described
  expect_same options described
fi

case_ "texts, fitted and used again: one vocabulary, labels by name, the same bytes for any number of threads and shards"
run mt-tokenize text train.tsv $columns --vocab vocab.txt --model random:tiny --fit text.h5 -o train.h5
expect_status 0
expect_stderr "initialised from --seed 0"
expect_stderr "3 samples"
for threads in 1 3; do
  run mt-tokenize text test.tsv $columns --model text.h5 --threads $threads -o test.$threads.h5
  expect_status 0
done
expect_same test.1.h5 test.3.h5
run mt-inspect --verify test.1.h5
expect_stdout "prefix 1"
expect_stdout "no"
for i in 0 1; do run mt-tokenize text test.tsv $columns --model text.h5 --shard $i/2 --quiet -o shard.$i.h5; done
run mt-cat shard.0.h5 shard.1.h5 --quiet -o joined.h5
expect_same joined.h5 test.1.h5
run mt-encode test.1.h5 --model random:tiny --quiet -o features.h5
expect_status 0

case_ "ids of patches, and a cut that is counted"
run mt-tokenize text test.tsv $columns --vocab vocab.txt --patches --max-tokens 4 -o ids.h5
expect_status 0
expect_stderr "2 texts were longer than 4 tokens and were cut"
run mt-cat ids.h5 --quiet -o ids.npz
if python3 -c 'import numpy' 2>/dev/null; then
  check "the ids" test "$(python3 -c 'import numpy; print(numpy.load("ids.npz")["codes"][:, 0].tolist())')" = "[2, 9, 11, 3, 2, 5, 8, 3]"
fi

case_ "standard input, JSON lines, pairs"
run_pipe 'cut -f 1 test.tsv | mt-tokenize text - --vocab vocab.txt --patches --quiet -o - | mt-inspect -'
expect_status 0
expect_stdout "2 samples"
printf '{"text": "the sea", "other": "cold", "y": 1}\n{"text": 5}\n' >pairs.jsonl
run mt-tokenize text pairs.jsonl --pair-column other --label-column y --vocab vocab.txt --patches -o pairs.h5
expect_status 3
expect_stderr "pairs.jsonl#1: \"text\" is number, not a string"

case_ "a BERT's tables and vocabulary; a CLIP's tables with merges and a projection"
run mt-tokenize text test.tsv $columns --model "$golden/bert/model.safetensors" --max-tokens 12 -o bert.h5
expect_status 0
expect_stderr "uncased vocabulary"
run mt-inspect bert.h5
expect_stdout ", 8] float32"
cp "$golden/bert/model.safetensors" bare.safetensors
mkdir bare && mv bare.safetensors bare/
run mt-tokenize text test.tsv $columns --model bare/bare.safetensors --width 8 -o x.h5
expect_status 2
expect_stderr "texts need a vocabulary"
run mt-tokenize text test.tsv $columns --model bare/bare.safetensors --vocab "$golden/bert/vocab.txt" --width 6 --fit six.h5 -o six.tokens.h5
expect_status 0
printf 't h\nth e</w>\n' >merges.txt
run mt-tokenize text test.tsv --column 1 --merges merges.txt --model random:tiny --fit bpe.h5 -o bpe.tokens.h5
expect_status 0
run mt-tokenize text test.tsv --column 1 --merges merges.txt --model "$golden/open_clip/open_clip_pytorch_model.bin" --quiet -o x.h5
expect_clean_failure mt-tokenize x.h5
expect_stderr "has 516 tokens, the model's table 16"

case_ "a vocabulary learned from texts is written once and used"
yes 'the sea is colder than the ice, and the ice is older than the sea' | head -n 20 >corpus.txt
run mt-tokenize text corpus.txt --train-vocab own.txt --vocab-size 60
expect_status 0
expect_stderr "word pieces from 20 texts -> own.txt"
check "it is a vocabulary" test "$(head -n 2 own.txt | tail -n 1)" = "[UNK]"
run mt-tokenize text corpus.txt --vocab own.txt --patches --quiet -o own.h5
expect_status 0
run mt-tokenize text corpus.txt --train-vocab vocab.txt
expect_clean_failure mt-tokenize
expect_stderr "exists already and holds another vocabulary"
check "it is unharmed" test "$(pieces)" = "$(cat vocab.txt)"

case_ "wrong options are usage errors"
while IFS='|' read -r words message; do
  run mt-tokenize text $words
  expect_status 2
  expect_lines 2
  expect_stderr "$message"
  expect_absent x.h5
done <<'END'
-o x.h5 --patches|no file is named
train.tsv --patches|--output
train.tsv --column 1 --patches -o x.h5|texts need a vocabulary
train.tsv --vocab vocab.txt --patches -o x.h5|say which with --column
train.tsv --column 1 --vocab vocab.txt -o x.h5|tokens need the width of an encoder
train.tsv --column 1 --vocab vocab.txt --merges merges.txt --patches -o x.h5|exclude each other
train.tsv --column 1 --merges merges.txt --cased --patches -o x.h5|belongs to word pieces
train.tsv --column 1 --pair-column 2 --merges merges.txt --patches -o x.h5|byte pairs take one text
train.tsv --column 1 --vocab vocab.txt --model text.h5 -o x.h5|has a vocabulary of its own
train.tsv --column 1 --model text.h5 --max-tokens 999 -o x.h5|the model has 128 places
train.tsv --column 1 --vocab vocab.txt --max-tokens 2 --patches -o x.h5|--max-tokens
train.tsv --column 1 --vocab vocab.txt --max-line big --patches -o x.h5|is not a size
train.tsv --column 1 --vocab vocab.txt --separator ab --patches -o x.h5|is one character
train.tsv --column 1 --vocab vocab.txt --format xml --patches -o x.h5|--format
END

case_ "bad text is rejected line by line; a bad vocabulary fails"
printf 'good\n\377\376bad\nzero\0byte\n' >bad.txt
head -c 3000000 /dev/zero | tr '\0' 'x' >>bad.txt
run mt-tokenize text bad.txt --vocab vocab.txt --patches --max-line 1M -o bad.h5
expect_status 3
expect_stderr "bad.txt#1: is not UTF-8"
expect_stderr "bad.txt#2: holds a zero byte at 4"
expect_stderr "bad.txt#3: is 2.9 MiB long, more than 1.0 MiB"
run mt-tokenize text bad.txt --vocab vocab.txt --patches --max-line 16M --quiet -o long.h5 # one line of 3 MB: one [UNK]
expect_status 3
run mt-tokenize text train.tsv --column 1 --vocab bad.txt --patches -o x.h5
expect_clean_failure mt-tokenize x.h5
printf 'no specials\n' >short.txt
run mt-tokenize text train.tsv --column 1 --vocab short.txt --patches -o x.h5
expect_clean_failure mt-tokenize x.h5
expect_stderr "none is [UNK]"
: >empty.txt
run mt-tokenize text empty.txt --vocab vocab.txt --patches --quiet -o empty.h5
expect_status 0
run mt-tokenize text "$MT_SOURCE/tests" --vocab vocab.txt --patches -o x.h5
expect_clean_failure mt-tokenize x.h5

case_ "every cut of a small table gives a clean end"
for cut in $(seq 0 "$(wc -c <pairs.jsonl)"); do
  head -c "$cut" pairs.jsonl >cut.jsonl
  run mt-tokenize text cut.jsonl --vocab vocab.txt --patches --quiet --force -o cut.h5
  checks=$((checks + 1))
  case $status in 0 | 3) ;; *) fail "cut at $cut: status $status" ;; esac
done
