/* Fixed-point arithmetic shared by the kernels. Right shifts of negative numbers are arithmetic on
 * every supported compiler. */
#ifndef AED_NN_MATH_H
#define AED_NN_MATH_H

#include <stdint.h>

/* x * multiplier * 2^(shift - 31), rounded twice as TensorFlow Lite does: first the product to an
 * integer, ties up, then the right shift (shift < 0), ties away from zero.
 * Needs |x| * 2^max(shift, 0) < 2^30, multiplier >= 0 and -31 <= shift <= 29. */
static inline int32_t aed_rescale(int32_t x, int32_t multiplier, int32_t shift) {
  const int32_t doubled = (int32_t)((uint32_t)x << (shift > 0 ? shift + 1 : 1));
  /* The high word of a product with rounding: one instruction on a Cortex-M33. */
  int32_t y = (int32_t)(((int64_t)doubled * multiplier + 0x80000000) >> 32);
  if (shift < 0) {
    /* y >> 31 is -1 for negative y: it turns "ties up" into "ties away from zero". */
    y = (y + (y >> 31) + ((int32_t)1 << (-shift - 1))) >> -shift;
  }
  return y;
}

static inline int32_t aed_clamp(int32_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : x;
}

static inline int32_t aed_min(int32_t a, int32_t b) {
  return a < b ? a : b;
}

static inline int32_t aed_max(int32_t a, int32_t b) {
  return a > b ? a : b;
}

#endif
