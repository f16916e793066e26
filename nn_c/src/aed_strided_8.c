#include "aed_nn_kernels.h"

void aed_strided_8(const void *params, uint8_t *arena) {
  const aed_strided_params *p = params;
  const uint8_t *x = arena + p->input + p->first;
  uint8_t *y = arena + p->output;
  const int32_t *s = p->strides;
  for (int32_t i = 0; i < p->dims[0]; i++) {
    for (int32_t j = 0; j < p->dims[1]; j++) {
      for (int32_t k = 0; k < p->dims[2]; k++) {
        const uint8_t *u = x + i * s[0] + j * s[1] + k * s[2];
        for (int32_t l = 0; l < p->dims[3]; l++) {
          *y++ = u[l * s[3]];
        }
      }
    }
  }
}
