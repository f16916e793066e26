/* The natural logarithm in lanes; aed_log.h has the contract. */
#ifndef AED_LOG_CORE_H
#define AED_LOG_CORE_H

#include "aed_lanes.h"

#define AED_SMALLEST 0x1p-126F

/* ln 2 in two parts: the high one has 15 trailing zero
 * bits, so that any exponent times it is exact. */
#define LN2_HIGH 0x1.62e4p-1F
#define LN2_LOW 0x1.7f7d1cp-20F

/* s = 0.669921875: of the splits near 2/3 that were tried, one with the smallest error. */
#define SPLIT 0x3f2b8000

/* Polynomial P of ln(1 + f) = f - f^2 / 2 + f^3 P(f), minimax on [-1/3, 1/3]. */
#define P0 0x1.555506p-2F
#define P1 -0x1.fffefp-3F
#define P2 0x1.99d028p-3F
#define P3 -0x1.559dcap-3F
#define P4 0x1.1ed718p-3F
#define P5 -0x1.f3114p-4F
#define P6 0x1.1e66bap-3F
#define P7 -0x1.080586p-3F

/* ln(x) of a positive normal x. */
AED_INLINE lane log_core(lane x) {
  const lane_int bits = lane_bits(x);
  /* x = 2^k (1 + f) with 1 + f in [s, 2 s): counted from s, the exponent field is k. */
  const lane_int k = (bits - SPLIT) >> 23; /* arithmetic in gcc and clang */
  const lane f = lane_of_bits(bits - k * (1 << 23)) - 1.0F;

  const lane f2 = f * f;
  const lane f4 = f2 * f2;
  const lane low = (P0 + P1 * f) + (P2 + P3 * f) * f2;
  const lane high = (P4 + P5 * f) + (P6 + P7 * f) * f2;
  const lane p = low + high * f4;
  const lane tail = (f * p) * f2 - 0.5F * f2;

  /* Fast2Sum: where k is not 0 the product is the larger
   * addend; where it is 0 the sum is f and the error 0. */
  const lane e = lane_of_int(k);
  const lane sum = e * LN2_HIGH + f;
  const lane error = (e * LN2_HIGH - sum) + f;
  return sum + (tail + (error + e * LN2_LOW));
}

#endif
