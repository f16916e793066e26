#include "aed_nn_kernels.h"
#include "aed_quantize.h"

void aed_quantize_f32_s8(const void *params, uint8_t *arena) {
  const aed_affine_params *p = params;
  const float *x = (const float *)(const void *)(arena + p->input);
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t i = 0; i < p->n; i++) {
    y[i] = (int8_t)aed_quantize_f32(x[i], p->scale, p->zero_point, -128);
  }
}

void aed_quantize_f32_u8(const void *params, uint8_t *arena) {
  const aed_affine_params *p = params;
  const float *x = (const float *)(const void *)(arena + p->input);
  uint8_t *y = arena + p->output;
  for (int32_t i = 0; i < p->n; i++) {
    y[i] = (uint8_t)aed_quantize_f32(x[i], p->scale, p->zero_point, 0);
  }
}
