#include "aed_log.h"
#include <stdint.h>
#include <string.h>

/* ln 2 in two parts: the high one has 15 trailing zero bits, so that any exponent times it is
 * exact. */
#define LN2_HIGH 0x1.62e4p-1F
#define LN2_LOW 0x1.7f7d1cp-20F

/* Minimax polynomial P of ln(1 + f) = f - f^2 / 2 + f^3 P(f) on [-1/3, 1/3], relative error 4.7e-9.
 */
#define P0 0x1.555506p-2F
#define P1 -0x1.fffefp-3F
#define P2 0x1.99d028p-3F
#define P3 -0x1.559dcap-3F
#define P4 0x1.1ed718p-3F
#define P5 -0x1.f3114p-4F
#define P6 0x1.1e66bap-3F
#define P7 -0x1.080586p-3F

float aed_log(float x) {
  uint32_t bits;
  if (!(x >= 0x1p-126F)) {
    x = 0x1p-126F;
  }
  memcpy(&bits, &x, sizeof bits);
  /* x = 2^k (1 + f) with 1 + f in [2/3, 4/3): counted from 2/3, the exponent field is k. */
  const uint32_t from_two_thirds = bits - 0x3f2aaaabU;
  const int32_t k = (int32_t)(from_two_thirds >> 23) - (from_two_thirds >> 31 ? 512 : 0);
  const uint32_t mantissa = bits - ((uint32_t)k << 23);
  float f;
  memcpy(&f, &mantissa, sizeof f);
  f = f - 1.0F;

  const float f2 = f * f;
  const float f4 = f2 * f2;
  const float low = (P0 + P1 * f) + (P2 + P3 * f) * f2;
  const float high = (P4 + P5 * f) + (P6 + P7 * f) * f2;
  const float p = low + high * f4;
  const float tail = (f * p) * f2 - 0.5F * f2;

  /* Fast2Sum: where k is not 0 the product is the larger addend; where it is 0 the sum is f and the
   * error 0. */
  const float e = (float)k;
  const float sum = e * LN2_HIGH + f;
  const float error = (e * LN2_HIGH - sum) + f;
  return sum + (tail + (error + e * LN2_LOW));
}
