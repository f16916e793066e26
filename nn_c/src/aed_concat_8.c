#include <string.h>

#include "aed_nn_kernels.h"

void aed_concat_8(const void *params, uint8_t *arena) {
  const aed_concat_params *p = params;
  uint8_t *y = arena + p->output;
  for (int32_t o = 0; o < p->outer; o++) {
    for (int32_t i = 0; i < p->n_inputs; i++) {
      const size_t size = (size_t)p->sizes[i];
      memcpy(y, arena + p->inputs[i] + (size_t)o * size, size);
      y += size;
    }
  }
}
