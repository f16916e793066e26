#include <string.h>

#include "aed_nn_kernels.h"

void aed_pad_8(const void *params, uint8_t *arena) {
  const aed_pad_params *p = params;
  const uint8_t *x = arena + p->input;
  uint8_t *y = arena + p->output;
  const int32_t *n = p->out_dims;
  memset(y, p->value, (size_t)n[0] * (size_t)n[1] * (size_t)n[2] * (size_t)n[3]);
  for (int32_t i = 0; i < p->in_dims[0]; i++) {
    for (int32_t j = 0; j < p->in_dims[1]; j++) {
      for (int32_t k = 0; k < p->in_dims[2]; k++, x += p->in_dims[3]) {
        const int32_t row =
            ((i + p->before[0]) * n[1] + j + p->before[1]) * n[2] + k + p->before[2];
        memcpy(y + row * n[3] + p->before[3], x, (size_t)p->in_dims[3]);
      }
    }
  }
}
