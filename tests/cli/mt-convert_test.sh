# Checkpoints in, model files out: every family, forth and back, parts, overrides, and every refusal.
. "$(dirname "$0")/lib.sh"

checkpoints=$MT_SOURCE/tests/golden/checkpoints
released=$checkpoints/meta_transformer.pth
digest_of() { mt-convert "$1" --dry-run --json --quiet | sed -n 's/^  "digest": "\([0-9a-f]*\)".*/\1/p'; }

case_ "mt-convert: every container and family gives the same model forth and back"
for name in meta_transformer.pth timm_vit.pth timm_clip.safetensors openai.pt hf_clip_vision.pth hf_vit5.pth \
  torchvision.pth hf_clip/model.safetensors hf_vit/model.safetensors timm_mean/model.safetensors; do
  [ -e "$checkpoints/$name" ] || continue
  rm -f a.h5 a.safetensors b.h5 b.safetensors
  run mt-convert "$checkpoints/$name" --heads 2 -o a.h5
  expect_status 0
  expect_stderr " -> a.h5"
  run mt-convert a.h5 -o a.safetensors --quiet
  expect_status 0
  expect_quiet
  run mt-convert a.safetensors -o b.h5 --quiet
  expect_same a.h5 b.h5
  run mt-convert b.h5 -o b.safetensors --quiet
  expect_same a.safetensors b.safetensors
  check "the digest of $name is kept" test "$(digest_of a.h5)" = "$(digest_of a.safetensors)" -a -n "$(digest_of a.h5)"
  run mt-inspect --verify a.h5
  expect_status 0
done

case_ "mt-convert: an output that holds this model is left, any other is refused without --force"
run mt-convert "$released" --heads 2 -o model.h5 --quiet
cp model.h5 before.h5
run mt-convert "$released" --heads 2 -o model.h5
expect_status 0
expect_stderr "model.h5: exists already and holds this model; left as it is"
run mt-convert "$released" --heads 4 -o model.h5 --quiet
expect_clean_failure mt-convert
expect_stderr "exists already"
expect_same model.h5 before.h5
run mt-convert "$released" --heads 4 -o model.h5 --force --quiet
expect_status 0
check "another model" bash -c '! cmp -s model.h5 before.h5'
echo keep >kept.safetensors
run mt-convert "$released" --heads 2 -o kept.safetensors
expect_status 1
expect_stderr "kept.safetensors: exists already (--force replaces it)"
check "untouched" grep -qx keep kept.safetensors

case_ "mt-convert: what keys cannot tell follows the family and yields to the options"
run mt-convert "$released" --heads 2 --dry-run --json
expect_status 0
expect_stdout '"eps": 1e-05'
expect_stdout '"activation": "gelu"'
run mt-convert "$checkpoints/timm_clip.safetensors" --heads 4 --eps 0.001 --activation quick_gelu --scale 0.25 --no-norm \
  --dry-run --json
expect_status 0
expect_stdout '"eps": 0.001'
expect_stdout '"activation": "quick_gelu"'
expect_stdout '"scale": 0.25'
expect_stdout '"norm": "none"'
expect_stdout '"heads": 4'
run mt-convert "$released" -o no.h5
expect_clean_failure mt-convert no.h5
expect_stderr "is 8 wide and does not say how many attention heads it has"
run mt-convert "$released" --heads 3 -o no.h5
expect_status 1
expect_stderr "is 8 wide, which 3 heads do not divide"
run mt-convert model.h5 --heads 3 -o no.h5
expect_status 1
expect_stderr "is 8 wide, which 3 heads do not divide"

case_ "mt-convert: parts, of one input and of several"
run mt-convert "$checkpoints/timm_vit.pth" --heads 2 --dry-run
expect_status 0
expect_stdout "encoder "
expect_stdout "tokenizer/image"
expect_absent no.h5
run mt-convert "$checkpoints/timm_vit.pth" --heads 2 --part tokenizer/image --part encoder -o both.h5 --quiet
expect_status 0
run mt-convert "$checkpoints/timm_vit.pth" --heads 2 --part tokenizer/image -o tokenizer.h5 --quiet
expect_status 0
run mt-inspect tokenizer.h5
check "no encoder" bash -c '! grep -q encoder stdout'
run mt-convert "$checkpoints/timm_vit.pth" --heads 2 --part head -o no.h5 --quiet
expect_clean_failure mt-convert no.h5
expect_stderr 'has no part "head", only encoder, tokenizer/image'
run mt-convert "$released" tokenizer.h5 --heads 2 -o joined.h5 --quiet
expect_status 0
run mt-inspect joined.h5
expect_stdout "tokenizer/image"
run mt-convert "$released" "$checkpoints/timm_vit.pth" --heads 2 -o no.h5
expect_status 1
expect_absent no.h5
expect_stderr "timm_vit.pth: holds the part \"encoder\", which $released holds too (mt-convert puts the parts you mean"
run mt-convert "$released" "$checkpoints/timm_vit.pth" --heads 2 --keep-first -o joined.h5 --force
expect_status 0
expect_stderr 'its part "encoder" is left out'

case_ "mt-convert: random models follow the seed"
run mt-convert random:tiny -o r0.h5 --quiet
expect_status 0
run mt-convert random:tiny@0 -o r0again.h5 --quiet
run mt-convert random:tiny --seed 5 -o r5.h5 --quiet --threads 1 --verbose
run mt-convert random:tiny@5 -o r5again.h5 --quiet
expect_same r0.h5 r0again.h5
expect_same r5.h5 r5again.h5
check "seeds differ" bash -c '! cmp -s r0.h5 r5.h5'
run mt-convert random:tiny@-1 -o no.h5
expect_clean_failure mt-convert no.h5
expect_stderr "has a seed that is not a natural number (e.g. random:tiny@7)"
run mt-convert random:giant -o no.h5
expect_clean_failure mt-convert no.h5
expect_stderr "there are random:tiny, small, b16 and l14"

case_ "mt-convert: what cannot be meant is a usage error"
run mt-convert "$released"
expect_status 2
expect_stderr "-o: is missing (say where to write, or --dry-run)"
run mt-convert "$released" -o -
expect_status 2
expect_stderr "-o: a model is mapped and cannot be a stream (give a file name)"
run mt-convert - -o no.h5
expect_status 2
expect_stderr "-: a checkpoint is mapped and cannot be a stream (give a file name)"
for words in "--activation relu" "--heads x" "--eps x" "--scale x" "--seed -1"; do
  run mt-convert "$released" $words -o no.h5
  expect_status 2
  expect_lines 2
  expect_absent no.h5
done

case_ "mt-convert: what is no checkpoint is said to be what it is"
refused() { # content, message
  printf "$1" >nonsense.pth
  run mt-convert nonsense.pth -o no.h5
  expect_clean_failure mt-convert no.h5
  expect_stderr "nonsense.pth: $2"
}
refused '' "is empty"
refused 'hello' "is not a checkpoint that is known"
refused 'version https://git-lfs.github.com/spec/v1\n' "is a Git LFS pointer, not the file itself (fetch it with: git lfs pull)"
refused '<!DOCTYPE html>' "is a web page, not a checkpoint"
refused 'GGUF\3\0\0\0' "is a GGUF file, which is not read"
refused '\37\213\10\0' "is compressed with gzip (unpack it with gunzip)"
refused '\200\2}q\0.' "is a bare Python pickle, not a PyTorch file"
make_features samples.h5
run mt-convert samples.h5 -o no.h5
expect_clean_failure mt-convert no.h5
for name in types.pth types.npz types.safetensors; do
  run mt-convert "$checkpoints/$name" -o no.h5
  expect_clean_failure mt-convert no.h5
  expect_stderr "tensors of no known family"
done
for name in . absent.pth /dev/null; do
  run mt-convert "$name" -o no.h5
  expect_clean_failure mt-convert no.h5
done
run mt-convert "$released" --heads 2 -o absent/model.h5 --quiet
expect_clean_failure mt-convert absent/model.h5
run mt-convert "$released" --heads 2 -o .
expect_status 1
expect_stderr "is a directory (give a file name)"
