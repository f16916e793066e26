/* What the bits of every float unit rest on; each of them includes this header, so that flags which
 * would change the bits don't compile. cmake/flags.cmake has the flags that the build uses. */
#ifndef AED_FLOAT_H
#define AED_FLOAT_H

#include <float.h>

#if FLT_EVAL_METHOD != 0
#error "float expressions are evaluated in a wider type; use -mfpmath=sse"
#endif
#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ != 0)
#error "-ffast-math changes the bits of the features; use -fno-fast-math"
#endif

/* AED_VFP: the floating-point unit of an Armv8-M core, with directed rounding and VMAXNM. */
#if defined(__arm__) && defined(__ARM_ARCH) && __ARM_ARCH >= 8 && defined(__ARM_FP)
#define AED_VFP 1
#endif

#endif
