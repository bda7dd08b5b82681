# What mt-inspect --devices says, and that no program needs CUDA. What a card computes is not tried here.
. "$(dirname "$0")/lib.sh"

libmt=$(ldd "$MT_BIN/mt-inspect" | sed -n 's/.*libmt\.so[^ ]* => \([^ ]*\) .*/\1/p')
version=$(mt-inspect --version | sed -n 's/^ *CUDA  *//p')
cards() { grep -c '^cuda:[0-9]' stdout; }

case_ "mt-inspect: --devices names the CPU and either cards or why there is none"
run mt-inspect --devices
expect_status 0
expect_quiet
check "the first line is the CPU's" bash -c "head -n 1 stdout | grep -qE '^cpu +(generic|avx).*[1-9][0-9]* threads: f32'"
if [ "$(cards)" -gt 0 ]; then
  check "every card says what it is" test "$(grep -cE '^cuda:[0-9]+ +.*, compute capability [0-9]+\.[0-9]+: ' stdout)" -eq "$(cards)"
else
  check "one line says why there is no card" test "$(grep -c '^cuda ' stdout)" -eq 1
  check "and what to do" bash -c "grep '^cuda ' stdout | grep -qF -- '--device cpu)'"
fi
if [ "$version" = none ]; then
  check "nothing was built for cards" test "$(grep -c '^built ' stdout)" -eq 0
else
  check "which kernels were built" grep -qE "^built +CUDA $version, for compute capabilities [0-9.]+(, [0-9.]+)* and later ones$" stdout
  check "it is the last line" bash -c "tail -n 1 stdout | grep -q '^built '"
fi
check "no other lines" test "$(grep -vcE '^(cpu|cuda|cuda:[0-9]+|built) ' stdout)" -eq 0

case_ "mt-inspect: --devices --json has the same facts"
expected=$(cards)
run mt-inspect --devices --json
expect_status 0
expect_stdout '"cpu": {'
expect_stdout '"f32"'
check "as many cards" test "$(grep -c '"device": "cuda:' stdout)" -eq "$expected"
if [ "$expected" -eq 0 ]; then
  expect_stdout '"cuda": []'
  check "why there is none" grep -qE '"no_cuda": ".*--device cpu\)"' stdout
else
  expect_stdout '"no_cuda": null'
fi
if [ "$version" = none ]; then
  expect_stdout '"built": null'
else
  expect_stdout "\"toolkit\": \"$version\""
fi

case_ "mt-inspect: --devices takes nothing else, and something must be asked"
run mt-inspect --devices file.h5
expect_status 2
expect_lines 2
expect_stderr "--devices: is about this machine and takes no FILE"
run mt-inspect --devices --verify
expect_status 2
run mt-inspect
expect_status 2
expect_lines 2
expect_stderr "FILE: is required"

case_ "libmt and the programs need no library of CUDA's"
check "libmt is found" test -n "$libmt"
for file in "$libmt" "$MT_BIN/mt-inspect"; do
  run ldd "$file"
  expect_status 0
  check "$(basename "$file") needs none" test -z "$(awk '$1 ~ /^lib(cuda|cublas|nvidia|nvJitLink)/' stdout)"
done

plugin=$(dirname "$libmt")/libmt-cuda.so
if [ "$version" = none ]; then
  case_ "without CUDA: --devices says that this build has none"
  run mt-inspect --devices
  expect_stdout "this build has no CUDA (build with -DMT_CUDA=on, or use --device cpu)"
  check "no library of it was built" test ! -e "$plugin"
  echo "this build has no CUDA: what is found beside libmt is not tried"
  exit 0
fi

case_ "with CUDA: its library lies beside libmt and gives one function"
check "it is there" test -s "$plugin"
check "mt_cuda_library" bash -c "nm -D --defined-only '$plugin' | grep -q ' T mt_cuda_library$'"

case_ "with CUDA: what is in the way is said in one line"
if [ "$expected" -eq 0 ]; then
  run mt-inspect --devices
  check "driver, card or library" grep -qE "^cuda +(NVIDIA's driver|no card|.*cannot open shared object)" stdout
fi

# libmt looks beside itself, so a copy elsewhere sees what is put there.
mkdir elsewhere
cp "$libmt" elsewhere/
export LD_LIBRARY_PATH=$work/elsewhere
case_ "with CUDA: a library that is not there is named"
run mt-inspect --devices
expect_status 0
expect_stdout "libmt-cuda.so is neither beside libmt nor where the loader looks (install it, or use --device cpu)"

case_ "with CUDA: a file that is no library is named"
echo "not a library" >elsewhere/libmt-cuda.so
run mt-inspect --devices
expect_status 0
expect_stdout "elsewhere/libmt-cuda.so: "

case_ "with CUDA: a library of another version is refused"
cat >other.c <<'C'
struct contents { const char* version; void* driver; };
struct contents mt_cuda_library(void) { struct contents c = {"0.0.9", 0}; return c; }
C
if cc -shared -fPIC -o elsewhere/libmt-cuda.so other.c 2>/dev/null; then
  run mt-inspect --devices
  expect_status 0
  expect_stdout "libmt-cuda.so is of version 0.0.9, libmt of "
  echo 'int nothing;' >other.c && cc -shared -fPIC -o elsewhere/libmt-cuda.so other.c
  run mt-inspect --devices
  expect_stdout "libmt-cuda.so is of version none that is known, libmt of "
fi

case_ "with CUDA: a missing library of CUDA's is named"
cat >needed.c <<'C'
int needed(void) { return 1; }
C
if cc -shared -fPIC -o libcublasLt.so.99 -Wl,-soname,libcublasLt.so.99 needed.c 2>/dev/null; then
  echo 'int needed(void); int mt_cuda_library(void) { return needed(); }' >other.c
  cc -shared -fPIC -o elsewhere/libmt-cuda.so other.c ./libcublasLt.so.99
  run mt-inspect --devices
  expect_status 0
  expect_stdout "libcublasLt.so.99: cannot open shared object file"
  expect_stdout "add their folder to LD_LIBRARY_PATH)"
fi
