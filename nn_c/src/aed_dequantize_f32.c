#include "aed_float.h"
#include "aed_nn_kernels.h"

/* The product is exact in binary64, so one binary32 multiplication rounds it as TensorFlow Lite's
 * double one does. */
void aed_dequantize_s8_f32(const void *params, uint8_t *arena) {
  const aed_affine_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  float *y = (float *)(void *)(arena + p->output);
  for (int32_t i = 0; i < p->n; i++) {
    y[i] = p->scale * (float)(x[i] - p->zero_point);
  }
}

void aed_dequantize_u8_f32(const void *params, uint8_t *arena) {
  const aed_affine_params *p = params;
  const uint8_t *x = arena + p->input;
  float *y = (float *)(void *)(arena + p->output);
  for (int32_t i = 0; i < p->n; i++) {
    y[i] = p->scale * (float)(x[i] - p->zero_point);
  }
}
