#!/usr/bin/env bash
# Every example whose data set is there, one after the other: a table on standard output. An example that fails fails this.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
status=0
echo "| modality | data set | train + test | tokens a sample | tokenize | encode | train | eval | accuracy, 95 % interval | beside it |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for example in "$here"/*.sh; do
  case $(basename "$example") in all.sh | lib.sh | quickstart.sh | learn.sh | train-fashion-mnist.sh) continue ;; esac
  # OUT would be one folder for all.
  env -u OUT bash "$example"
  code=$?
  [ "$code" -eq 0 ] || [ "$code" -eq 77 ] || { echo "$example failed with status $code" >&2; status=1; }
done
exit "$status"
