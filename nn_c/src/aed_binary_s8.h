/* The walk over two broadcast operands that the elementwise kernels share. */
#ifndef AED_BINARY_S8_H
#define AED_BINARY_S8_H

#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

/* Calls f(p, a, b) for every output element, in order; a and b are the quantized operands. */
static inline void aed_binary_walk(const aed_binary_params *p, uint8_t *arena,
                                   int32_t (*f)(const aed_binary_params *p, int32_t a, int32_t b)) {
  const int8_t *a0 = p->constant_a != 0 ? p->constant_a : (const int8_t *)arena + p->input;
  const int8_t *b0 = p->constant_b != 0 ? p->constant_b : (const int8_t *)arena + p->input_b;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t i = 0; i < p->dims[0]; i++) {
    for (int32_t j = 0; j < p->dims[1]; j++) {
      for (int32_t k = 0; k < p->dims[2]; k++) {
        const int8_t *a = a0 + i * p->strides_a[0] + j * p->strides_a[1] + k * p->strides_a[2];
        const int8_t *b = b0 + i * p->strides_b[0] + j * p->strides_b[1] + k * p->strides_b[2];
        for (int32_t l = 0; l < p->dims[3]; l++) {
          *y++ = (int8_t)aed_clamp(f(p, *a, *b) + p->output_zero_point, p->act_min, p->act_max);
          a += p->strides_a[3];
          b += p->strides_b[3];
        }
      }
    }
  }
}

#endif
