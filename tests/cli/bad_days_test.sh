# The same bad day for every program: inputs that are no files, outputs that cannot be, readers that go away, full
# disks, bombs. What a format's own tests cover (cut and flipped bytes, lying headers) is not repeated here.
. "$(dirname "$0")/lib.sh"

checkpoints=$MT_SOURCE/tests/golden/checkpoints
patches="--patches --patch 8 --size 32"
mkdir photos
for i in 1 2 3; do { printf 'P6\n60 40\n255\n'; yes "picture $i" | head -c 7200; } >"photos/$i.ppm"; done
make_features tokens.h5 --samples 60 --tokens
make_features features.h5 --samples 60 --head head.h5
cp "$checkpoints/meta_transformer.pth" model.pth
programs="mt-tokenize mt-encode mt-cat mt-convert mt-train-head mt-eval mt-inspect"
writers="mt-tokenize mt-encode mt-cat mt-convert mt-train-head mt-eval"

input_of() {
  case $1 in
    mt-tokenize) echo photos ;;
    mt-encode) echo tokens.h5 ;;
    mt-convert) echo model.pth ;;
    *) echo features.h5 ;;
  esac
}
# The command of a program on an input, as words in $words.
command_of() { # program input output
  case $1 in
    mt-tokenize) words=(mt-tokenize image $patches --quiet -o "$3" -- "$2") ;;
    mt-encode) words=(mt-encode --model model.pth --heads 2 --quiet -o "$3" -- "$2") ;;
    mt-cat) words=(mt-cat --quiet -o "$3" -- "$2") ;;
    mt-convert) words=(mt-convert --heads 2 --quiet -o "$3" -- "$2") ;;
    mt-train-head) words=(mt-train-head --quiet -o "$3" -- "$2") ;;
    mt-eval) words=(mt-eval --model head.h5 --quiet -o "$3" -- "$2") ;;
    mt-inspect) words=(mt-inspect -- "$2") ;;
  esac
}
# The same with an option in front of its output.
with_option() { # option
  local at=1
  [ "${words[0]}" != mt-tokenize ] || at=2
  words=("${words[@]:0:at}" "$1" "${words[@]:at}")
}
go() { command_of "$@" && run timeout 20 "${words[@]}"; }
# One line, status 1 (or 2, or 3 for a sample), nothing left behind.
expect_clean() { # program output
  check "status $status is 1, 2 or 3" test "$status" -ge 1 -a "$status" -le 3
  expect_lines 2
  check "stderr starts with $1:" grep -q "^$1: " stderr
  check "no bug shows" bash -c '! grep -qiE "sanitizer|runtime error|internal error" stderr'
  [ "$status" -eq 3 ] || expect_absent "$2"
  rm -f "$2"
}
leftovers() { ls -A "${1:-.}" | grep -E '^\.|\.part$' || true; }

for program in $programs; do
  case_ "$program: what is no file of its kind is refused by name"
  : >empty
  ln -sf nowhere dangling
  rm -f fifo && mkfifo fifo
  mkdir -p folder
  for input in absent.h5 dangling empty folder fifo /dev/null /dev/zero head.h5 "$MT_SOURCE/README.md"; do
    case "$program $input" in "mt-inspect head.h5" | "mt-convert head.h5") continue ;; esac
    if [ "$input" = fifo ]; then timeout 20 sh -c ': >fifo' & fi
    go "$program" "$input" out.h5
    expect_clean "$program" out.h5
    check "$input is named" grep -qF -- "$(basename "$input" .md)" stderr
  done
  wait

  case_ "$program: names with odd bytes work and cannot forge a line"
  for name in "two
lines" "quote\"'" "$(printf 'latin\351')" "-leading" "$(printf 'x%.0s' $(seq 200))"; do
    cp -r -- "$(input_of "$program")" "$name"
    go "$program" "$name" "out of $name"
    expect_status 0
    [ "$program" = mt-inspect ] || expect_file "out of $name"
    rm -rf -- "out of $name" "$name"
    go "$program" "$name" out.h5
    expect_clean "$program" out.h5
    expect_lines 1
  done
  go "$program" "$(printf 'x%.0s' $(seq 300))" out.h5
  expect_clean "$program" out.h5

  case_ "$program: a missing value, a surplus word and an empty one are usage errors"
  run "$program" --threads
  expect_status 2
  expect_lines 2
  go "$program" "" out.h5
  expect_clean "$program" out.h5

  case_ "$program: closed standard descriptors are survived"
  command_of "$program" "$(input_of "$program")" closed.h5
  for closed in '<&-' '2>&-'; do
    bash -c "\"\$@\" $closed" - "${words[@]}" >stdout 2>stderr
    status=$?
    expect_status 0
    rm -f closed.h5
  done
  command_of "$program" - out.h5
  if [ "$program" = mt-tokenize ] || [ "$program" = mt-convert ]; then continue; fi
  bash -c '"$@" <&-' - "${words[@]}" >stdout 2>stderr
  status=$?
  expect_clean "$program" out.h5
done

for program in $writers; do
  case_ "$program: outputs that cannot be written are refused, inputs are never harmed"
  input=$(input_of "$program")
  mkdir -p folder
  for output in folder absent/out.h5 "features.h5/out.h5"; do
    go "$program" "$input" "$output"
    check "status $status is 1 or 2" test "$status" -eq 1 -o "$status" -eq 2
    expect_lines 2
    check "$output is named" grep -qF "$output" stderr
  done
  if [ "$program" != mt-tokenize ]; then
    cp "$input" before
    for force in no yes; do
      command_of "$program" "$input" "$input"
      [ $force = no ] || with_option --force
      run "${words[@]}"
      check "status $status is 1 or 2" test "$status" -eq 1 -o "$status" -eq 2
      expect_same "$input" before
    done
  fi
  go "$program" "$input" "$(printf 'x%.0s' $(seq 300))"
  expect_clean "$program" "$(printf 'x%.0s' $(seq 300))"

  case_ "$program: a full disk at any size is one line; what was there stays; the work so far is resumed or gone"
  rm -f good.h5 full.h5
  go "$program" "$input" good.h5
  expect_status 0
  size=$(stat -c %s good.h5)
  failed=0
  for tenth in 0 1 2 3 5 7 9 10 11 14; do
    echo keep >full.h5
    command_of "$program" "$input" full.h5
    with_option --force
    # Messages go through a pipe: the limit is on files of any kind.
    prlimit --fsize=$((size * tenth / 10 + tenth)) "${words[@]}" 2>&1 | cat >stderr
    status=${PIPESTATUS[0]}
    if [ "$status" -eq 0 ]; then
      expect_same full.h5 good.h5
    else
      failed=$((failed + 1))
      expect_status 1
      expect_lines 1
      check "it says what is full" grep -q "File too large" stderr
      check "the target is untouched" grep -qx keep full.h5
      check "no temporary file stayed" test -z "$(leftovers | grep -v '^full.h5.part$')"
    fi
    rm -f full.h5 full.h5.part
  done
  check "some sizes were too small" test $failed -gt 5
done

case_ "no read permission, and a directory that cannot be written"
chmod 755 "$work"
if [ "$(id -u)" -eq 0 ]; then as_other="setpriv --reuid=65534 --regid=65534 --clear-groups"; else as_other=; fi
if $as_other test -x "$MT_BIN/mt-cat" -a -r "$work/tokens.h5"; then
  mkdir locked
  chmod 555 locked
  for program in $programs; do
    cp -r "$(input_of "$program")" secret
    chmod 000 secret
    command_of "$program" secret out.h5
    run $as_other "${words[@]}"
    expect_clean "$program" out.h5
    check "it says so" grep -q "Permission denied" stderr
    chmod 755 secret && rm -rf secret
    [ "$program" = mt-inspect ] && continue
    command_of "$program" "$(input_of "$program")" locked/out.h5
    run $as_other "${words[@]}"
    expect_clean "$program" locked/out.h5
    check "it says so" grep -q "Permission denied" stderr
  done
  check "nothing in the locked directory" test -z "$(ls -A locked)"
fi

# What each program says on standard output.
speakers=(
  "mt-tokenize image photos $patches --quiet -o -"
  "mt-encode tokens.h5 --model model.pth --heads 2 --quiet -o -"
  "mt-cat features.h5 --quiet -o -"
  "mt-cat features.h5 --quiet --format csv -o -"
  "mt-convert model.pth --heads 2 --dry-run --json --quiet"
  "mt-train-head features.h5 --dry-run --json --quiet"
  "mt-eval features.h5 --model head.h5 --predictions - --quiet"
  "mt-eval features.h5 --model head.h5 --quiet -o -"
  "mt-inspect features.h5 --ids"
  "mt-inspect features.h5 --json"
)
for speaker in "${speakers[@]}"; do
  case_ "$speaker: a reader that goes away ends it quietly, a full or closed standard output loudly"
  for size in 0 1 100 4096 20000; do
    bash -c "timeout 20 $speaker | head -c $size >/dev/null; exit \${PIPESTATUS[0]}" 2>stderr
    status=$?
    check "status $status after $size bytes is 0 or 141" test "$status" -eq 0 -o "$status" -eq 141
    expect_quiet
  done
  for target in '>/dev/full' '>&-'; do
    bash -c "$speaker $target" 2>stderr
    status=$?
    expect_clean_failure "${speaker%% *}"
  done
done

case_ "bombs: refused in no time and without memory"
truncate -s 1G zeros.csv
head -c 100000 /dev/zero | tr '\0' '[' >deep.json
{ printf 'path,label\n"'; head -c 20000000 /dev/zero | tr '\0' 'x'; } >quote.csv
printf '\377\377\377\377\377\377\377\177{"a":1}' >header.safetensors
printf 'P6\n65535 65535\n255\n' >wide.ppm
printf 'P5\n99999999999999999999 1\n255\n' >wider.pgm
printf '\0\0\010\003\377\377\377\377\377\377\377\377\377\377\377\377' >bomb-images-idx3-ubyte
{ printf 'MT5S\1\0\0\0\1\0\0\0\377\377\377\377\377\377\377\177'; head -c 100 /dev/zero; } >frame
bounded() { # words: two seconds of processor time, 400 MB of memory beyond the program itself
  run timeout 10 prlimit --data=$((600 << 20)) --cpu=4 "$@"
}
sanitized && bounded() { run timeout 60 "$@"; }
for bomb in zeros.csv deep.json quote.csv; do
  bounded mt-tokenize image --manifest "$bomb" $patches --quiet -o out.h5
  expect_clean_failure mt-tokenize out.h5
done
for bomb in wide.ppm wider.pgm bomb-images-idx3-ubyte; do
  bounded mt-tokenize image "$bomb" $patches --quiet -o out.h5
  expect_clean mt-tokenize out.h5
done
bounded mt-convert header.safetensors -o out.h5
expect_clean_failure mt-convert out.h5
bounded mt-inspect header.safetensors
expect_clean_failure mt-inspect
for program in mt-encode mt-cat mt-train-head mt-eval mt-inspect; do
  command_of $program frame out.h5
  bounded "${words[@]}"
  expect_clean_failure $program out.h5
done
check "no temporary file stayed" test -z "$(leftovers)"
