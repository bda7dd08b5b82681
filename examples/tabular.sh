#!/usr/bin/env bash
# Four tables through the whole pipeline: income (adult), survival (titanic), flowers (iris), wines, each schema found in its
# training rows.
. "$(dirname "$0")/lib.sh"
need tabular/adult/adult.data tabular/titanic/titanic.csv tabular/sklearn

# Every fifth row is for the test; of adult the last fifth, as is usual.
every_fifth() { # file, first data line, part
  awk -v first="$2" -v part="$3" 'NR < first { print; next } ((NR - first) % 5 == 4) == (part == "test")' "$1"
}
table() { # name, options...
  local name=$1
  step tokenize mt-tokenize tabular "$name.train.csv" "${@:2}" --model "$MODEL" --fit "$name.table.h5" -o "$name.train.tokens.h5"
  # What belongs to the schema is in its file by now.
  step tokenize mt-tokenize tabular "$name.test.csv" "${reading[@]}" --model "$name.table.h5" -o "$name.test.tokens.h5"
  probe "$name"
  local encoded=$accuracy part
  for part in train test; do
    step baseline mt-encode "$name.$part.tokens.h5" --model "$MODEL" --layers 0 --pool mean -o "$name.$part.columns.h5"
  done
  step baseline mt-train-head "$name.train.columns.h5" -o "$name.columns-head.h5"
  score baseline "$name.columns-head.h5" "$name.test.columns.h5"
  local beside="mean of the tokens: $accuracy"
  accuracy=$encoded
  row tabular "$name" "$name" "$beside"
}

head -n 26048 "$DATA/tabular/adult/adult.data" >adult.train.csv
tail -n +26049 "$DATA/tabular/adult/adult.data" | grep , >adult.test.csv
reading=(--no-header --label 15)
table adult "${reading[@]}" --missing '?' --drop 4 --scale quantile

for part in train test; do
  every_fifth "$DATA/tabular/titanic/titanic.csv" 2 $part >titanic.$part.csv
  every_fifth "$DATA/tabular/sklearn/iris.csv" 2 $part >iris.$part.csv
  every_fifth "$DATA/tabular/sklearn/wine_data.csv" 2 $part >wine.$part.csv
done
reading=(--label survived)
table titanic "${reading[@]}" --drop alive
# scikit-learn's first line holds counts and names of classes.
reading=(--skip-lines 1 --no-header --label 5)
table iris "${reading[@]}"
reading=(--skip-lines 1 --no-header --label 14)
table wine "${reading[@]}"
