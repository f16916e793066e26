/* Affine quantization of float32 to 8 bits: one rule for patches of features, for streams and for
 * the engine's QUANTIZE operator, which is TensorFlow Lite's.
 *
 *   q = round(x / scale) + zero_point, saturated to the ends of q's type
 *
 * The quotient is a correctly rounded binary32 division, halves are rounded away from zero.
 * Infinities saturate. A NaN gives the zero point, as a real 0 does: TensorFlow Lite leaves it
 * undefined (its reference kernel ends at either end of the range, depending on the zero point and
 * the machine), and 0 is what the conversion of a Cortex-M33 makes of it. */
#ifndef AED_QUANTIZE_H
#define AED_QUANTIZE_H

#include "aed_float.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* n values. scale > 0; zero_point: a value of q's type. x and q may not overlap. */
void aed_quantize_s8(const float *x, size_t n, float scale, int32_t zero_point, int8_t *q);
void aed_quantize_u8(const float *x, size_t n, float scale, int32_t zero_point, uint8_t *q);
/* cffi: end */

/* The nearest integer, halves away from zero; 0 for a NaN. What lies beyond +-2^20, far from every
 * 8-bit type, counts as at least that far away. */
static inline int32_t aed_round_f32(float x) {
#ifdef AED_VFP
  int32_t rounded;
  __asm("vcvta.s32.f32 %0, %1" : "=t"(rounded) : "t"(x));
  return rounded;
#else
  const float far = 1048576.0F; /* below it float and int32 convert exactly */
  float near = x == x ? x : 0.0F;
  near = near > far ? far : near;
  near = near < -far ? -far : near;
  const int32_t whole = (int32_t)near;
  const float rest = near - (float)whole;
  return whole + (rest >= 0.5F) - (rest <= -0.5F);
#endif
}

/* One value to a type of 8 bits that begins at low: -128 for int8, 0 for uint8. */
static inline int32_t aed_quantize_f32(float x, float scale, int32_t zero_point, int32_t low) {
  /* Clamped before the zero point is added, so that the sum can't overflow. */
  const int32_t least = low - zero_point;
  const int32_t most = low + 255 - zero_point;
  int32_t r = aed_round_f32(x / scale);
  r = r < least ? least : r;
  r = r > most ? most : r;
  return r + zero_point;
}

#ifdef __cplusplus
}
#endif

#endif
