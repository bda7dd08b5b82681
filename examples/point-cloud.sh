#!/usr/bin/env bash
# Five kinds of objects from airborne laser scans: as they are, and scaled to the unit sphere, which takes their size away.
. "$(dirname "$0")/lib.sh"
need pointcloud/dales_objects_subset

object_manifests dales
for scale in centre sphere; do
  step tokenize mt-tokenize point-cloud --manifest dales.train.tsv --scale $scale --model "$MODEL" --fit $scale.tokenizer.h5 --force \
    -o $scale.train.tokens.h5
  step tokenize mt-tokenize point-cloud --manifest dales.test.tsv --model "$MODEL" --model $scale.tokenizer.h5 -o $scale.test.tokens.h5
  probe $scale
  row point-cloud "dales_objects_subset, --scale $scale" $scale "9 shape features: 97.2 % (cross-validated)"
done
