# Helpers of the command-line tests. A test script sources this, then says what must hold:
#
#   . "$(dirname "$0")/lib.sh"
#   case_ "mt-cat: names the missing shard"
#   run mt-cat a.h5 -o out.h5          # the real program; status in $status, files stdout and stderr
#   expect_status 1
#   expect_stderr "shard 1 of 2 is missing"
#   expect_absent out.h5
#
# Every script runs in a directory of its own, removed at the end.
set -u
export LC_ALL=C
: "${MT_BIN:?the directory of the programs}" "${MT_SOURCE:?the source tree}"
export PATH="$MT_BIN:$PATH"
SHARED_DATA=${MT_SHARED_DATA:-$MT_SOURCE/../shared/data}
work=$(mktemp -d "${TMPDIR:-/tmp}/mt-cli-XXXXXX")
cd "$work" || exit 1
failures=0 checks=0 current="(no case)"
# Sanitizers multiply memory and time: cases that measure those ask first.
sanitized() { [ -n "${MT_SANITIZE:-}" ] && [ "${MT_SANITIZE:-OFF}" != OFF ]; }
trap 'finish_' EXIT

finish_() {
  code=$?
  cd / && chmod -R u+w "$work" 2>/dev/null; rm -rf "$work"
  if [ "$code" -eq 77 ]; then exit 77; fi
  if [ "$code" -ne 0 ]; then echo "script ended early with status $code in: $current"; exit 1; fi
  echo "$checks checks, $failures failures"
  [ "$failures" -eq 0 ] && [ "$checks" -gt 0 ] || exit 1
}

case_() { current=$1; }
skip_all() { echo "skipped: $1"; exit 77; }
fail() {
  failures=$((failures + 1))
  echo "FAILED: $current: $1"
  [ -s stderr ] && { echo "  stderr:"; head -n 5 stderr | sed 's/^/    /'; }
  return 0
}
check() { checks=$((checks + 1)); if "${@:2}"; then :; else fail "$1"; fi; }

# Runs a command; $status, ./stdout, ./stderr. A shell reports death by signal N as 128 + N.
run() { "$@" >stdout 2>stderr </dev/null; status=$?; }
# The same for a pipeline given as one string (pipefail is on).
run_pipe() { bash -o pipefail -c "$1" >stdout 2>stderr </dev/null; status=$?; }

expect_status() { checks=$((checks + 1)); [ "$status" -eq "$1" ] || fail "status $status, expected $1"; }
expect_stderr() { checks=$((checks + 1)); grep -qF -- "$1" stderr || fail "stderr does not say: $1"; }
expect_stdout() { checks=$((checks + 1)); grep -qF -- "$1" stdout || fail "stdout does not say: $1"; }
expect_quiet() { checks=$((checks + 1)); [ ! -s stderr ] || fail "stderr is not empty"; }
expect_lines() { checks=$((checks + 1)); [ "$(wc -l <stderr)" -le "$1" ] || fail "more than $1 lines on stderr"; }
expect_file() { checks=$((checks + 1)); [ -s "$1" ] || fail "$1 does not exist or is empty"; }
expect_absent() { checks=$((checks + 1)); [ ! -e "$1" ] || fail "$1 was left behind"; }
expect_same() { checks=$((checks + 1)); cmp -s "$1" "$2" || fail "$1 and $2 differ"; }
# A clean failure: one line "program: ...", the status, nothing under the final name.
expect_clean_failure() { # program, output
  expect_status 1
  expect_lines 1
  checks=$((checks + 1)); head -n 1 stderr | grep -q "^$1: " || fail "stderr does not start with $1:"
  checks=$((checks + 1)); ! grep -qiE "sanitizer|runtime error|internal error" stderr || fail "a bug showed"
  [ $# -lt 2 ] || expect_absent "$2"
}

# What the CPU multiplies in besides float32: words, of which some machines have none.
cpu_precisions() { mt-inspect --devices | sed -n '1s/.*: f32,\{0,1\} *//p' | tr -d ','; }

# A tone in noise as a WAV of 8 bits at 8 kHz.
tone() { # hertz, seconds, file
  local samples
  samples=$(awk -v s="$2" 'BEGIN { printf "%d", s * 8000 }')
  octal() { awk -v n="$1" 'BEGIN { for (i = 0; i < 4; ++i) { printf "\\%03o", n % 256; n = int(n / 256) } }'; }
  printf "RIFF$(octal $((samples + 36)))WAVEfmt \\020\\0\\0\\0\\001\\0\\001\\0\\100\\037\\0\\0\\100\\037\\0\\0\\001\\0\\010\\0data$(octal "$samples")" >"$3"
  awk -v hz="$1" -v n="$samples" 'BEGIN { for (i = 0; i < n; ++i)
    printf "%c", int(128 + 90 * sin(i * hz * 6.2831853 / 8000) + 5 * rand()) }' >>"$3"
}
