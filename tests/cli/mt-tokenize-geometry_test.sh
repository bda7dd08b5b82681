# mt-tokenize point-cloud and graph: fitted once, used again; what is damaged is named; the same bytes for any threads.
. "$(dirname "$0")/lib.sh"

cloud() { # points, seed, file
  awk -v n="$1" -v seed="$2" 'BEGIN { srand(seed); print "x,y,z,red"; for (i = 0; i < n; ++i) print rand() "," rand() "," 3 * rand() "," int(9 * rand()) }' >"$3"
}
mkdir -p clouds/a clouds/b
for i in 1 2 3; do cloud $((20 * i)) "$i" "clouds/a/$i.csv"; cloud 90 "1$i" "clouds/b/$i.csv"; done
point="mt-tokenize point-cloud --width 24 --centers 16 --neighbors 8"
graph="mt-tokenize graph --width 24"

case_ "point-cloud: fitted to training data, then the same tokenizer for others, the same bytes for any number of threads"
run $point clouds --labels directory --fit fit.h5 --threads 1 -o one.h5
expect_status 0
expect_stderr "initialised from --seed 0"
run mt-tokenize point-cloud clouds --labels directory --model fit.h5 --threads 3 -o three.h5
expect_status 0
expect_same one.h5 three.h5
run mt-inspect one.h5
expect_stdout "point-cloud"

case_ "point-cloud: a cloud gives the same tokens wherever it stands in the list"
run mt-tokenize point-cloud clouds/b/2.csv clouds/a/1.csv --points 15 --model fit.h5 -o two.h5
run mt-tokenize point-cloud clouds/a/1.csv clouds/b/2.csv --points 15 --model fit.h5 -o turned.h5
mt-cat two.h5 -o two.csv 2>/dev/null; mt-cat turned.h5 -o turned.csv 2>/dev/null
if [ -s two.csv ]; then
  # All columns but the place in the list.
  cut -d, -f1,3- two.csv | sort >two.sorted
  cut -d, -f1,3- turned.csv | sort >turned.sorted
  expect_same two.sorted turned.sorted
fi

case_ "point-cloud: columns need statistics of training data"
run $point clouds --features dp_df --columns red -o out.h5
expect_status 2
expect_stderr "--fit"
expect_absent out.h5
run $point clouds --features dp_df --columns red --fit red.h5 -o red.tokens.h5
expect_status 0
run mt-tokenize point-cloud clouds --model red.h5 --columns blue -o out.h5
expect_status 2
run $point clouds --features dp_df --columns blue --fit blue.h5 -o out.h5
expect_status 1
expect_stderr "blue"
run $point clouds --features dp_df -o out.h5
expect_status 2
expect_stderr "dp_df needs --columns"
run $point clouds --no-normalize --scale sphere -o out.h5
expect_status 2
run $point -o out.h5
expect_status 2

case_ "point-cloud: damaged, empty and NaN clouds are rejected by name, and the rest go on"
mkdir bad
printf '0 0 0\n1 nan 0\n' >bad/nan.xyz
printf 'ply\nformat binary_little_endian 1.0\nelement vertex 1000000000000\nproperty float x\nproperty float y\nproperty float z\nend_header\n' >bad/huge.ply
printf 'OFF\n3 1 0\n0 0 0\n' >bad/cut.off
: >bad/empty.xyz
printf '# .PCD v0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 300000000\nHEIGHT 300000000\nPOINTS 90000000000000000\nDATA binary_compressed\n' >bad/bomb.pcd
printf '\211HDF\r\n\032\nnothing behind' >notes.h5
cp clouds/a/1.csv bad/good.csv
run $point bad -o some.h5
expect_status 3
for name in nan.xyz huge.ply cut.off empty.xyz bomb.pcd; do expect_stderr "$name"; done
check "one is left" test "$(mt-inspect --json some.h5 | awk '$1 == "\"samples\":" { gsub(/,/, ""); print $2; exit }')" = 1
run $point bad/nan.xyz --drop-invalid -o dropped.h5
expect_status 0
run $point bad --strict --quiet -o strict.h5
expect_clean_failure mt-tokenize strict.h5
run $point notes.h5 -o out.h5
expect_clean_failure mt-tokenize out.h5
run $point nowhere.ply -o out.h5
expect_clean_failure mt-tokenize out.h5

if [ -d "$SHARED_DATA/odd/pointcloud" ]; then
  case_ "point-cloud: genuine odd files: STL, empty and headless PLY are rejected, all others are clouds"
  run $point "$SHARED_DATA/odd/pointcloud" "$SHARED_DATA"/odd/pointcloud/unit_cube.STL -o odd.h5
  expect_status 3
  for name in empty.ply ply_empty_header.ply unit_cube.STL; do expect_stderr "$name"; done
  expect_lines 5
fi

mkdir S
printf '%s\n' '1, 2' '2, 3' '3, 1' '4, 5' '5, 5' >S/S_A.txt
printf '%s\n' 1 1 1 2 2 2 >S/S_graph_indicator.txt
printf '%s\n' yes no >S/S_graph_labels.txt
printf '%s\n' 6 8 6 7 6 6 >S/S_node_labels.txt
printf 'S#1\n' >train.txt
printf 'S#2\n' >test.txt

case_ "graph: kinds need training data, of which --only takes a part; kinds unknown to it are tokens all the same"
run $graph S -o out.h5
expect_status 2
expect_stderr "--fit"
run $graph S --only train.txt --fit graphs.h5 -o train.h5
expect_status 0
run mt-tokenize graph S --only test.txt --model graphs.h5 --threads 2 -o test.h5
expect_status 0
check "two leading tokens, three nodes, two edges" grep -q '"tokens": 7' <(mt-tokenize graph S --only test.txt --model graphs.h5 --json -o again.h5 2>/dev/null)
run mt-tokenize graph S --model graphs.h5 --identifiers orthogonal -o out.h5
expect_status 2
printf 'S#9\n' >none.txt
run $graph S --only none.txt --fit none.h5 -o out.h5
expect_clean_failure mt-tokenize out.h5

case_ "graph: a node is a sample of its neighbourhood"
run $graph S --level node --hops 1 --fit nodes.h5 -o nodes.tokens.h5
expect_status 0
check "six nodes" test "$(mt-inspect --json nodes.tokens.h5 | awk '$1 == "\"samples\":" { gsub(/,/, ""); print $2; exit }')" = 6

case_ "graph: a damaged graph of a TU folder is rejected and teaches nothing, the others stay; node by node it fails the run"
cp -r S D
printf '%s\n' '1, 2' '2, 3' '3, 1' '4, 5' '5, 1152921504606846976' >D/S_A.txt
run $graph D --fit damaged.h5 -o damaged.tokens.h5
expect_status 3
expect_stderr "S#2: D/S_A.txt: line 5: node 1152921504606846976 is not from 1 to 6"
check "the tokenizer of the whole graph alone" cmp damaged.h5 graphs.h5
run $graph D --level node --fit f.h5 -o out.h5
expect_clean_failure mt-tokenize out.h5

case_ "graph: damaged data sets fail in one line, graphs too large are rejected"
printf 'one, two\n' >S/S_A.txt
run $graph S --fit f.h5 -o out.h5
expect_clean_failure mt-tokenize out.h5
printf '{"nodes": 3000000}\n{"nodes": 2, "edges": [[0, 1]]}\n' >bomb.jsonl
run $graph bomb.jsonl -o big.h5
expect_status 3
expect_stderr "--max-tokens"
printf '{"nodes": 268435456}\n{"nodes": 2, "edges": [[0, 1]]}\n{"nodes": 2, "edges": [[0, 2]]}\n' >claims.jsonl
run $graph claims.jsonl -o claims.h5
expect_status 3
expect_stderr "claims.jsonl#1: claims.jsonl: line 2: brings more than 268435456 nodes"
tail -n 2 claims.jsonl >claims.two.jsonl
run $graph claims.two.jsonl --level node -o claims.nodes.h5
expect_clean_failure mt-tokenize claims.nodes.h5
printf '{"nodes": 2, "edges": [[0, 7]]}\n' >wrong.jsonl
run $graph wrong.jsonl -o out.h5
expect_clean_failure mt-tokenize out.h5
printf '{"nodes": 0}\n' >none.jsonl
run $graph none.jsonl -o nothing.h5
expect_status 3
run $graph none.jsonl --nodes train.txt -o out.h5
expect_status 2
