#include "aed_quantize.h"
#include "aed_quantize_core.h"

void aed_quantize_s8(const float *x, size_t n, float scale, int32_t zero_point, int8_t *q) {
  quantize_run(x, n, scale, zero_point, -128, (uint8_t *)q, 1U);
}

void aed_quantize_u8(const float *x, size_t n, float scale, int32_t zero_point, uint8_t *q) {
  quantize_run(x, n, scale, zero_point, 0, q, 1U);
}
