# The installed package: moved elsewhere, found by CMake and by pkg-config, used by a ten-line consumer.
. "$(dirname "$0")/lib.sh"
! sanitized || skip_all "a sanitizer build is not installed"

case_ "install: works into a prefix of its own, and the tree can be moved"
run cmake --install "$MT_BUILD" --prefix "$work/first"
expect_status 0
mv first prefix

case_ "install: a moved program finds its library"
run prefix/bin/mt-encode --version
expect_status 0
expect_stdout "mt-encode (Meta-Transformer toolkit)"
check "libmt has a versioned name" test -e prefix/lib*/libmt.so -o -e prefix/lib/*/libmt.so
check "man pages are there" test -e prefix/share/man/man1/mt-encode.1
check "completions are there" test -s prefix/share/bash-completion/completions/mt-encode

mkdir consumer
cat >consumer/main.cpp <<'CPP'
#include <cstdio>
#include <mt.h>

int main() {
  mt::Tensor tokens(mt::DType::f32, {3, 8});
  tokens.row<float>(2)[7] = 1;
  std::printf("libmt %s: %s, %s\n", mt::kVersion, mt::to_string(tokens.shape()).c_str(), mt::hex(mt::sha256("abc")).c_str());
  return tokens.as<float>()[23] == 1 ? 0 : 1;
}
CPP
cat >consumer/CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES CXX)
find_package(mt 0.1 REQUIRED)
add_executable(consumer main.cpp)
target_link_libraries(consumer PRIVATE mt::mt)
CMAKE

case_ "install: find_package(mt) gives mt::mt"
run cmake -S consumer -B consumer/build -DCMAKE_PREFIX_PATH="$work/prefix"
expect_status 0
run cmake --build consumer/build
expect_status 0
run consumer/build/consumer
expect_status 0
expect_stdout "[3, 8], ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

case_ "install: pkg-config gives flags that compile and link"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name mt.pc)")
export PKG_CONFIG_PATH
run bash -c 'c++ -std=c++20 consumer/main.cpp -o consumer/by-pkg-config $(pkg-config --cflags --libs mt) -Wl,-rpath,$(pkg-config --variable=libdir mt)'
expect_status 0
run consumer/by-pkg-config
expect_status 0
