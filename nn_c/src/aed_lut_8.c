#include "aed_nn_kernels.h"

void aed_lut_8(const void *params, uint8_t *arena) {
  const aed_lut_params *p = params;
  const uint8_t *x = arena + p->input;
  uint8_t *y = arena + p->output;
  for (int32_t i = 0; i < p->n; i++) {
    y[i] = p->table[x[i]];
  }
}
