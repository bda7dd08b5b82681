# What every program promises at the prompt.
. "$(dirname "$0")/lib.sh"

programs=$(cd "$MT_BIN" && ls | grep -E '^mt-[a-z-]+$')
check "there are programs" test -n "$programs"

for program in $programs; do
  case_ "$program: --help and --version go to stdout with status 0 and nothing else given"
  for word in --help --version; do
    run "$program" "$word"
    expect_status 0
    expect_quiet
    expect_stdout "$program"
  done
  run "$program" --help
  expect_stdout "Usage: $program"
  expect_stdout "Examples:"
  expect_stdout "See also:"

  case_ "$program: a full or closed standard output is heard"
  for word in --help --version; do
    "$program" "$word" >/dev/full 2>stderr; status=$?
    expect_clean_failure "$program"
    "$program" "$word" >&- 2>stderr; status=$?
    expect_status 1
  done

  case_ "$program: nothing given is a usage error of two lines, and does not wait for input"
  run "$program"
  expect_status 2
  expect_lines 2

  case_ "$program: unknown options are named, the nearest is suggested"
  run "$program" --ouput x
  expect_status 2
  expect_lines 2
  expect_stderr "--ouput"

  case_ "$program: bad numbers are usage errors"
  for value in -1 1e9 abc "" 99999999999999999999; do
    run "$program" --threads "$value"
    expect_status 2
    expect_lines 2
  done

  case_ "$program: --help has no line of more than 120 columns and no terminal codes"
  run "$program" --help
  check "lines fit" test -z "$(awk 'length > 120' stdout)"
  check "no escapes" bash -c '! grep -q $'"'"'\033'"'"' stdout'

  case_ "$program: completions offer every option"
  "$program" --help-as names >options
  check "there are options" test -s options
  for shell in bash zsh fish; do
    [ "$program $shell" != "mt-tokenize bash" ] || continue  # which asks the modality
    "$program" --help-as $shell >completion
    for option in $(cat options); do
      check "$shell offers $option" grep -qF -- "${option#--}" completion
    done
  done

  case_ "$program: the man page lists the options of --help, and no others"
  if [ -e "$MT_BUILD/man/$program.1" ]; then
    "$program" --help-as names | sort >options
    sed 's/\\-/-/g; s/\\&//g' "$MT_BUILD/man/$program.1" | sed -n '/^\.SH OPTIONS/,/^\.SH EX/p' |
      grep -oE -- '--[a-z][a-z0-9-]*' | sort -u >described
    checks=$((checks + 1))
    missing=$(comm -23 options described | tr '\n' ' ')
    [ -z "$missing" ] || fail "not in the man page: $missing"
  fi
done
