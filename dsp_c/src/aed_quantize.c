#include "aed_quantize.h"

void aed_quantize_s8(const float *x, size_t n, float scale, int32_t zero_point, int8_t *q) {
  for (size_t i = 0; i < n; i++) {
    q[i] = (int8_t)aed_quantize_f32(x[i], scale, zero_point, -128);
  }
}

void aed_quantize_u8(const float *x, size_t n, float scale, int32_t zero_point, uint8_t *q) {
  for (size_t i = 0; i < n; i++) {
    q[i] = (uint8_t)aed_quantize_f32(x[i], scale, zero_point, 0);
  }
}
