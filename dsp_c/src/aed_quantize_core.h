/* The one loop behind every quantization of features. */
#ifndef AED_QUANTIZE_CORE_H
#define AED_QUANTIZE_CORE_H

#include "aed_lanes.h"
#include <stddef.h>

/* Far beyond every 8-bit type, and below it float and int32 convert exactly. */
#define AED_FAR 1048576.0F

/* The nearest integer, halves away from zero; a NaN counts as 0, what lies beyond +-2^20 as at
 * least that far away. */
AED_INLINE int32_t round_half_away(float x) {
#ifdef AED_VFP
  int32_t rounded;
  __asm("vcvta.s32.f32 %0, %1" : "=t"(rounded) : "t"(x));
  return rounded;
#else
  float near = x == x ? x : 0.0F;
  near = near > AED_FAR ? AED_FAR : near;
  near = near < -AED_FAR ? -AED_FAR : near;
  const int32_t whole = (int32_t)near;
  const float rest = near - (float)whole;
  return whole + (rest >= 0.5F) - (rest <= -0.5F);
#endif
}

/* n values to a type of 8 bits that begins at `low`, into every stride-th byte. */
AED_INLINE void quantize_run(const float *x, size_t n, float scale, int32_t zero_point, int32_t low,
                             uint8_t *q, size_t stride) {
  /* Clamped before the zero point is added, so that the sum can't overflow. */
  const int32_t least = low - zero_point;
  const int32_t most = low + 255 - zero_point;
  for (size_t i = 0; i < n; i++) {
    int32_t r = round_half_away(x[i] / scale);
    r = r < least ? least : r;
    r = r > most ? most : r;
    *q = (uint8_t)(r + zero_point);
    q += stride;
  }
}

#endif
