#!/usr/bin/env bash
# Molecules that are mutagenic or not, proteins that are enzymes or not: every tenth graph is for the test.
. "$(dirname "$0")/lib.sh"
need graph/TU_MUTAG graph/TU_PROTEINS

for set in MUTAG PROTEINS; do
  folder=$DATA/graph/TU_$set
  awk -v name=$set '{ print name "#" NR >(NR % 10 == 0 ? "test.txt" : "train.txt") }' "$folder/${set}_graph_labels.txt"
  step tokenize mt-tokenize graph "$folder" --only train.txt --model "$MODEL" --fit $set.tokenizer.h5 --force \
    -o $set.train.tokens.h5
  step tokenize mt-tokenize graph "$folder" --only test.txt --model "$MODEL" --model $set.tokenizer.h5 -o $set.test.tokens.h5
  probe $set
  case $set in
    MUTAG) beside="label counts: 86.1 %; GIN: 89.4 % (10 folds)" ;;
    PROTEINS) beside="label counts: 72.8 %; GIN: 76.2 % (10 folds)" ;;
  esac
  row graph "TU_$set" $set "$beside"
done

# Papers by subject, each seen with those it cites or is cited by. Planetoid's pickles become text first, where Python can.
python=${PYTHON:-python3}
if [ -e "$DATA/graph/planetoid_cora" ] && "$python" -c 'import scipy' 2>/dev/null; then
  "$python" "$checkout/examples/planetoid_text.py" "$DATA/graph/planetoid_cora" cora .
  step tokenize mt-tokenize graph cora.content --level node --hops 1 --max-nodes 32 --only cora.train.txt --model "$MODEL" \
    --fit cora.tokenizer.h5 --force -o cora.train.tokens.h5
  step tokenize mt-tokenize graph cora.content --only cora.test.txt --model "$MODEL" --model cora.tokenizer.h5 -o cora.test.tokens.h5
  probe cora
  row graph "planetoid_cora, nodes" cora "features alone: 57.5 %; GCN: 81.5 %"
fi
