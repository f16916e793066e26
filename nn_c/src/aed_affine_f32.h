/* Rounding of a float32 to the nearest quantized value. */
#ifndef AED_AFFINE_F32_H
#define AED_AFFINE_F32_H

#include "aed_nn_math.h"

/* x / scale rounded to nearest, ties away from zero, plus zero_point, saturated to [low, high]. Not
 * a number gives low. */
static inline int32_t aed_quantize_f32(float x, float scale, int32_t zero_point, int32_t low,
                                       int32_t high) {
  float real = x / scale;
  if (!(real > -1024.0f)) {
    real = -1024.0f;
  } else if (real > 1024.0f) {
    real = 1024.0f;
  }
  int32_t q = (int32_t)real;
  const float rest = real - (float)q;
  if (rest >= 0.5f) {
    q++;
  } else if (rest <= -0.5f) {
    q--;
  }
  return aed_clamp(q + zero_point, low, high);
}

#endif
