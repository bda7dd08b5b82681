# Warnings, hardening and sanitizers, the same for every target of ours.
add_library(mt_settings INTERFACE)
target_compile_options(mt_settings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wsign-compare -Wnon-virtual-dtor -Woverloaded-virtual
  -fstack-protector-strong)
if(MT_WERROR)
  target_compile_options(mt_settings INTERFACE -Werror)
endif()
# Checked containers cost little outside the kernels, which work on raw pointers.
target_compile_definitions(mt_settings INTERFACE _GLIBCXX_ASSERTIONS)
if(CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT MT_SANITIZE)
  target_compile_definitions(mt_settings INTERFACE _FORTIFY_SOURCE=2)
endif()
# Products and sums keep the order in which they are written, so that every machine of one kind gives the same bytes.
target_compile_options(mt_settings INTERFACE -ffp-contract=off)
target_link_options(mt_settings INTERFACE -Wl,-z,relro,-z,now)
if(MT_SANITIZE)
  # libmt is what is watched: looking for undefined behaviour in the tests' own code takes a third of its compile time.
  target_compile_options(mt_settings INTERFACE -fsanitize=${MT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<BOOL:$<TARGET_PROPERTY:MT_TEST_CODE>>:-fno-sanitize=undefined>)
  target_link_options(mt_settings INTERFACE -fsanitize=${MT_SANITIZE})
endif()
if(MT_FUZZ)
  target_compile_options(mt_settings INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(mt_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Read once a target instead of once a file: they are most of what the compiler reads. GCC forgets which of them are the
# system's, and warns of strings' own copies too where it optimises; the dev preset reads every file for itself, so that
# all warnings are errors there and every file is known to include what it uses.
set(MT_COMMON_HEADERS <algorithm> <cmath> <filesystem> <functional> <map> <memory> <optional> <span> <string>
  <string_view> <unordered_map> <vector> <fmt/format.h> <nlohmann/json.hpp>)
if(NOT MT_PRECOMPILE_HEADERS)
  set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)
elseif(MT_WERROR AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(mt_settings INTERFACE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
endif()
