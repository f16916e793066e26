#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

void aed_softmax_s8(const void *params, uint8_t *arena) {
  const aed_softmax_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t r = 0; r < p->rows; r++, x += p->depth, y += p->depth) {
    int32_t top = -128;
    for (int32_t i = 0; i < p->depth; i++) {
      top = aed_max(top, x[i]);
    }
    const float *table = p->table + (255 - top);
    float sum = 0.0f;
    for (int32_t i = 0; i < p->depth; i++) {
      sum += table[x[i]];
    }
    const float factor = 1.0f / (sum * p->output_scale);
    for (int32_t i = 0; i < p->depth; i++) {
      const float real = table[x[i]] * factor;
      int32_t q = (int32_t)real; /* real is in [0, 1 / output_scale] */
      if (real - (float)q >= 0.5f) {
        q++;
      }
      y[i] = (int8_t)aed_clamp(q + p->output_zero_point, -128, 127);
    }
  }
}
