# Every flag that decides about bits or warnings stands here and nowhere else.
#
# Bits: IEEE-754 binary32 in one fixed order. No contraction into fused multiply-add, no re-association, no x87 excess
# precision, no errno from square roots (so that sqrtf is the one hardware instruction).
set(AED_FP_CONTRACT off CACHE STRING "off: bit-exact (default); fast: only to show that `pyaed verify` catches it")
set_property(CACHE AED_FP_CONTRACT PROPERTY STRINGS off fast)
option(AED_WERROR "Treat warnings as errors" ON)
option(AED_SANITIZE "Address and undefined-behaviour sanitizers (host only)" OFF)

add_library(aed_flags INTERFACE)
target_compile_features(aed_flags INTERFACE c_std_11)
target_compile_options(aed_flags INTERFACE
  -ffp-contract=${AED_FP_CONTRACT} -fno-fast-math -fno-math-errno
  -Wall -Wextra -Wconversion -Wshadow -Wdouble-promotion -Wvla -Wstrict-prototypes -Wmissing-prototypes
  -ffunction-sections -fdata-sections)
if(AED_WERROR)
  target_compile_options(aed_flags INTERFACE -Werror)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|i[3-6]86")
  target_compile_options(aed_flags INTERFACE -msse2 -mfpmath=sse)
  if(AED_FP_CONTRACT STREQUAL off)
    # gcc 12's SLP vectoriser makes fused operations in spite of -ffp-contract=off where the instruction set has them.
    target_compile_options(aed_flags INTERFACE -mno-fma)
  endif()
endif()
if(AED_SANITIZE)
  target_compile_options(aed_flags INTERFACE -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=all -g)
  target_link_options(aed_flags INTERFACE -fsanitize=address,undefined)
endif()

# Sources for one instruction set each: the front end chooses among them at run time.
set(AED_X86_FLAGS_sse2 -msse2)
set(AED_X86_FLAGS_avx2 -mavx2)
set(AED_X86_FLAGS_avx512 -mavx512f -mprefer-vector-width=512)
