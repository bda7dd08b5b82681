# Every command of the README and of the man pages' examples runs, in their order, on small data made here.
. "$(dirname "$0")/lib.sh"

# A picture of a class: a colour of its own, and noise, as a binary PPM.
picture() { # red, green, blue, seed, file
  awk -v r="$1" -v g="$2" -v b="$3" -v seed="$4" 'BEGIN {
    srand(seed); printf "P3\n24 20\n255\n"
    for (i = 0; i < 480; ++i) printf "%d %d %d\n", r + rand() * 60, g + rand() * 60, b + rand() * 60 }' >"$5"
}

# A coloured cloud, elongated along an axis, as a PLY file of text.
cloud() { # points, length of z, seed, file
  awk -v n="$1" -v z="$2" -v seed="$3" 'BEGIN {
    srand(seed); printf "ply\nformat ascii 1.0\nelement vertex %d\n", n
    split("x y z red green blue", name); for (i = 1; i <= 6; ++i) printf "property float %s\n", name[i]
    print "end_header"
    for (i = 0; i < n; ++i) print rand(), rand(), z * rand(), int(256 * rand()), int(256 * rand()), int(256 * rand()) }' >"$4"
}

prepare() { # the files that the examples name
  mkdir -p train/flat train/tall test/flat test/tall scans
  for i in 1 2 3; do
    cloud 70 0.1 "$i" "train/flat/$i.ply" && cloud 50 4 "$i" "train/tall/$i.ply"
    cloud 20 0.1 "1$i" "test/flat/$i.ply" && cloud 40 4 "1$i" "test/tall/$i.ply" && cloud 30 1 "2$i" "scans/$i.ply"
  done
  mkdir -p train/low train/high test/low clips/a clips/b
  tone 200 3.2 train/low/1.wav && tone 210 3.2 train/low/2.wav && tone 900 3.2 train/high/1.wav && tone 205 3.2 test/low/1.wav
  cp test/low/1.wav lecture.wav
  printf 'path,label,start,duration\nlecture.wav,low,0.5,1\nlecture.wav,low,1.5,\n' >calls.csv
  cp "$MT_SOURCE/tests/golden/video/animated.gif" clips/a/ && cp "$MT_SOURCE/tests/golden/video/planes.y4m" clips/b/
  cp clips/b/planes.y4m film.y4m
  mkdir -p photos/cats photos/dogs new xrays thermal
  for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    picture 150 40 40 "$i" "photos/cats/$i.ppm"
    picture 40 60 150 "$i" "photos/dogs/$i.ppm"
    picture $((i * 15)) 90 90 "$i" "new/$i.ppm"
    picture 90 90 90 "$i" "xrays/$i.ppm"
    picture 120 120 120 "$i" "thermal/$i.ppm"
  done
  mkdir MUTAG  # two triangles and two paths
  printf '%s\n' '1, 2' '2, 3' '3, 1' '4, 5' '5, 6' '6, 4' '7, 8' '8, 9' '10, 11' '11, 12' >MUTAG/MUTAG_A.txt
  printf '%s\n' 1 1 1 2 2 2 3 3 3 4 4 4 >MUTAG/MUTAG_graph_indicator.txt
  printf '%s\n' ring ring path path >MUTAG/MUTAG_graph_labels.txt
  printf '%s\n' 0 1 0 1 0 1 0 1 0 1 0 1 >MUTAG/MUTAG_node_labels.txt
  printf 'MUTAG#1\nMUTAG#3\n' >train.txt && printf 'MUTAG#2\nMUTAG#4\n' >test.txt
  printf 'p1 0 1 theory\np2 1 0 practice\np3 1 1 theory\n' >cora.content && printf 'p1 p2\np1 p3\n' >cora.cites
  printf 'graph,source,target,weight\na,1,2,0.5\na,2,3,1.5\nb,1,2,2\n' >edges.csv
  printf 'graph,id,label\na,1,x\na,2,y\na,3,x\nb,1,x\nb,2,x\n' >nodes.csv && printf 'id,class\na,odd\nb,even\n' >graphs.csv
  printf 'path\tlabel\nphotos/cats/1.ppm\tcat\nphotos/dogs/1.ppm\tdog\n' >list.tsv
  printf 'path\tlabel\nxrays/1.ppm\thealthy\nxrays/2.ppm\tpneumonia\n' >xrays.tsv
  printf 'file,species\nphotos/cats/1.ppm,cat\nphotos/dogs/1.ppm,dog\n' >list.csv
  cp -r thermal people && cp -r xrays chest && mkdir raw16
  { printf 'P5\n40 40\n65535\n'; yes "deep" | head -c 3200; } >raw16/1.pgm
  cp "$(ls "$MT_SOURCE"/tests/golden/images/*.jpg | head -n 1)" photos/cats/a.jpg
  { printf '\0\0\010\003\0\0\0\003\0\0\0\034\0\0\0\034'; yes "pixels" | head -c 2352; } | gzip >train-images-idx3-ubyte.gz
  printf '\0\0\010\001\0\0\0\003\001\002\001' | gzip >train-labels-idx1-ubyte.gz
  printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' the sea is cold warm '##er' >vocab.txt
  for part in train test; do printf 'the sea is cold\t0\nthe sea is warmer\t1\n' >$part.tsv; done
  printf '{"premise": "the sea is cold", "hypothesis": "warm", "label": "no"}\n' >pairs.jsonl
  for i in 1 2 3; do echo "the sea is cold and the sea is deep"; done >corpus.txt
  for part in train test; do printf 'name,age,class\nann,31,a\nbob,,b\n' >$part.csv; done
  printf '70, red, ?, 1.5\n80, blue, 3, 2.5\n' >prices.data
  cp "$MT_SOURCE/tests/golden/checkpoints/open_clip/"* .
  cp "$MT_SOURCE/tests/golden/checkpoints/meta_transformer.pth" Meta-Transformer_base_patch16_encoder.pth
  cp "$MT_SOURCE/tests/golden/checkpoints/types.safetensors" model.safetensors
}

# Series of two channels and two classes, of lengths from 20 to 27.
cases() { # seed, file
  awk -v seed="$1" 'BEGIN {
    srand(seed); print "@problemName made\n@univariate false\n@dimensions 2\n@classLabel true a b\n@data"
    for (i = 0; i < 12; ++i) for (c = 0; c < 2; ++c)
      for (t = 0; t < 20 + i % 8; ++t) printf "%.4f%s", rand() + i % 2 * c, t < 19 + i % 8 ? "," : c == 0 ? ":" : i % 2 ? ":b\n" : ":a\n"
  }' >"$2"
}

# An hourly recording of three columns from 2016-07-01 on.
recording() { # rows, header, class or not, file
  awk -v rows="$1" -v header="$2" -v labelled="$3" 'BEGIN {
    srand(1); print header
    for (i = 0; i < rows; ++i) {
      printf "2016-07-%02d %02d:00:00,%.3f,%.3f", 1 + int(i / 24), i % 24, sin(i / 4) + rand() / 9, cos(i / 4)
      print labelled ? (i % 128 < 64 ? ",walk" : ",rest") : "" }
  }' >"$4"
}

# A scene of 12 x 10 pixels, 8 bands of bytes, and its label image of two classes.
scene() {
  printf 'ENVI\nsamples = 10\nlines = 12\nbands = 8\ndata type = 1\ninterleave = bip\n' >scene.hdr
  yes "spectra of a scene, more or less" | head -c 960 >scene.raw
  { printf '\223NUMPY\1\0\106\0%-69s\n' "{'descr': '|u1', 'fortran_order': False, 'shape': (12, 10), }"
    for i in $(seq 60); do printf '\1\2'; done; } >truth.npy
}

prepare_series() {
  scene
  cases 1 vowels_TRAIN.ts && cases 2 vowels_TEST.ts && cp vowels_TRAIN.ts motions_TRAIN.ts && cp vowels_TEST.ts motions_TEST.ts
  recording 700 date,load,temperature "" load.csv
  recording 500 time,acc_x,acc_y,activity yes walk.csv
}

# The commands between two marks: ```sh fences in Markdown, ``` fences under EXAMPLES in scdoc.
commands_of_markdown() { awk '/^```sh$/ { on = 1; next } /^```$/ { on = 0; next } on' "$1"; }
commands_of_page() {
  awk '/^# / { examples = ($0 == "# EXAMPLES") } examples && /^\t*```$/ { on = !on; next } on' "$1" | sed 's/^\t*//'
}

try() { # document, extractor
  case_ "$1: every command runs"
  rm -rf try && mkdir try && cd try && prepare && prepare_series
  # Pages take the model for granted that the README shows how to make.
  [ "$1" = README.md ] || mt-convert open_clip_pytorch_model.bin --quiet -o b16.h5
  # The stand-in for the released encoder is narrower than any real one, so its heads must be said.
  "$2" "$MT_SOURCE/$1" | sed 's/_encoder.pth -o/_encoder.pth --heads 2 -o/' >commands
  if [ -s commands ]; then
    bash -euo pipefail commands >../stdout 2>../stderr
    status=$?
    cd ..
    expect_status 0
  else
    cd ..
  fi
}

try README.md commands_of_markdown
for page in "$MT_SOURCE"/man/mt-*.1.scd; do try "man/$(basename "$page")" commands_of_page; done
