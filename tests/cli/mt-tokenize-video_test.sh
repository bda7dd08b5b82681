# mt-tokenize video as users run it: every kind of input, frames like ffmpeg's own, cut videos.
. "$(dirname "$0")/lib.sh"
golden=$MT_SOURCE/tests/golden/video
small="--size 32 --patches"
number_of() { mt-inspect --json "$2" | awk -v key="\"$1\":" '$1 == key { gsub(/,/, ""); print $2; exit }'; }
run mt-tokenize video "$golden/b_frames.mp4" $small -o probe.h5
[ "$status" -eq 0 ] && ffmpeg=yes || ffmpeg=no

case_ "Y4M from a pipe is the file"
run mt-tokenize video "$golden/planes.y4m" $small -o file.h5
expect_status 0
check "32 tokens" test "$(number_of rows file.h5)" = 32
run_pipe "cat '$golden/planes.y4m' | mt-tokenize video - $small -o pipe.h5"
expect_status 0
if command -v h5dump >/dev/null; then
  for name in file pipe; do h5dump -d /patches $name.h5 | tail -n +2 >$name.txt; done
  expect_same file.txt pipe.txt
fi
run_pipe "ls '$golden'/*.gif | mt-tokenize video - $small -o listed.h5"
expect_status 0
run_pipe "head -c 9000 '$golden/planes.y4m' | mt-tokenize video - $small -o x.h5"
expect_status 3
expect_stderr "is cut: copy it again, or --salvage"
rm -f x.h5

case_ "a directory of frames, videos below directories, and their classes"
mkdir -p clips/walk/one clips/run
for i in 1 2 10; do printf 'P3\n2 2\n255\n%s' "$i 0 0 $i 0 0 $i 0 0 $i 0 0" >"clips/walk/one/$i.ppm"; done
cp "$golden/animated.gif" clips/run/
run mt-tokenize video clips --labels directory $small -o clips.h5
expect_status 0
check "two samples" test "$(number_of samples clips.h5)" = 2
run mt-tokenize video clips --window 0.2 --frames 2 $small -o windows.h5
expect_status 0

case_ "the kernel comes from an image model, or the seed; and the model's word holds"
cp "$MT_SOURCE/tests/golden/checkpoints/open_clip/"* .
run mt-tokenize video clips --model open_clip_pytorch_model.bin --size 32 --fit video.h5 -o tokens.h5
expect_status 0
expect_stderr "start as those of the model's image tokenizer"
run mt-tokenize video clips --model open_clip_pytorch_model.bin --model video.h5 -o again.h5
expect_status 0
run mt-tokenize video clips --model video.h5 --tubelet 4 -o x.h5
expect_status 2
expect_stderr "has tubelet 2, 4 was asked for"
run mt-tokenize video clips --frames 15 $small -o x.h5
expect_status 2
expect_lines 2

case_ "wrong files are rejected by name"
echo "no video" >text.mp4
: >empty.mp4
run mt-tokenize video text.mp4 empty.mp4 $small -o x.h5
expect_status 3
expect_stderr "empty.mp4: is empty"
rm -f x.h5
run mt-tokenize video nowhere.mp4 $small -o x.h5
expect_clean_failure mt-tokenize x.h5
[ $ffmpeg = yes ] || exit 0

case_ "the same bytes for any number of threads"
for threads in 1 3; do
  run mt-tokenize video "$golden" $small --threads $threads -o threads$threads.h5
  expect_status 0
done
expect_same threads1.h5 threads3.h5

case_ "cut videos: rejected, or salvaged"
head -c 7000 "$golden/mpeg4.avi" >cut.avi
run mt-tokenize video cut.avi $small -o x.h5
expect_status 3
expect_stderr "--salvage"
rm -f x.h5
run mt-tokenize video cut.avi --salvage $small -o salvaged.h5
expect_status 0

case_ "frames are those that the ffmpeg program extracts, to the byte"
if command -v ffmpeg >/dev/null && command -v h5dump >/dev/null; then
  for name in b_frames.mp4 mpeg4.avi rotated.mp4; do
    # Three frames of the clip at their own size, as raw pixels in the order of tubelets of one frame and one patch.
    size=48x64
    [ $name = rotated.mp4 ] && size=64x48
    run mt-tokenize video "$golden/$name" --frames 3 --tubelet 1 --size $size --patch 16 --mean 0 --std 1 --patches -o theirs.h5
    expect_status 0
    mkdir -p frames && rm -f frames/*
    ffmpeg -v error -i "$golden/$name" -vf 'select=eq(n\,2)+eq(n\,6)+eq(n\,10)' -vsync 0 frames/%d.png </dev/null
    run mt-tokenize video frames --frames 3 --tubelet 1 --size $size --patch 16 --mean 0 --std 1 --patches -o ours.h5
    expect_status 0
    for side in ours theirs; do h5dump -d /patches $side.h5 | tail -n +2 >$side.txt; done
    expect_same ours.txt theirs.txt
  done
fi
