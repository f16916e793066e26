#include "aed_nn_kernels.h"
#include "aed_nn_math.h"

void aed_mean_s8(const void *params, uint8_t *arena) {
  const aed_mean_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t o = 0; o < p->outer; o++, x += p->reduce * p->inner) {
    for (int32_t i = 0; i < p->inner; i++) {
      int32_t sum = -p->input_zero_point * p->reduce;
      const int8_t *u = x + i;
      for (int32_t r = 0; r < p->reduce; r++, u += p->inner) {
        sum += *u;
      }
      const int32_t q = aed_rescale(sum, p->multiplier, p->shift) + p->output_zero_point;
      *y++ = (int8_t)aed_clamp(q, -128, 127);
    }
  }
}
