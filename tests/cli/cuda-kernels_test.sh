# What the compiler of the kernels for cards said of them: registers that spill to memory cost more than any loop saves.
. "$(dirname "$0")/lib.sh"
log=${MT_BUILD:?the build tree}/cuda/ptxas.log
[ -e "$log" ] || skip_all "this build has no kernels for cards"

# Lines "spills kernel architecture" of a log of ptxas -v.
spills() {
  awk '/Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2]; architecture = quoted[4] }
    /bytes spill stores/ && kernel != "" { for (i = 2; i < NF; ++i) if ($(i + 1) == "spill") n += $(i - 1)
      print n + 0, kernel, architecture; n = 0; kernel = "" }' "$1"
}
named() { # a part of kernels' names
  awk -v part="$1" 'index($2, part) { found = 1 } END { exit !found }' kernels
}

case_ "kernels for cards: a log with spills is found out"
cat >log <<'END'
ptxas info    : Compiling entry function '_Z4goodv' for 'sm_80'
ptxas info    : Function properties for _Z4goodv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Compiling entry function '_Z3badv' for 'sm_90'
ptxas info    : Function properties for _Z3badv
    16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
END
spills log >found
printf '0 _Z4goodv sm_80\n20 _Z3badv sm_90\n' >expected
check "the log is read as it is meant" cmp -s found expected

case_ "kernels for cards: none spills registers, on any architecture"
spills "$log" >kernels
for part in 4norm 8activate 6attend 10attend_f32 4pool 12check_finite; do
  check "the log has no kernel $part" named "$part"
done
while read -r bytes kernel architecture; do
  check "$kernel spills $bytes bytes on $architecture" [ "$bytes" -eq 0 ]
done <kernels
