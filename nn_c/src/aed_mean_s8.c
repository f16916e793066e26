#include "aed_instruction_sets.h"
#include "aed_nn_math.h"

static int8_t scaled(const aed_mean_params *p, int32_t sum) {
  const int32_t centred = sum - p->input_zero_point * p->reduce;
  const int32_t q = aed_rescale(centred, p->multiplier, p->shift) + p->output_zero_point;
  return (int8_t)aed_clamp(q, -128, 127);
}

void aed_mean_s8(const void *params, uint8_t *arena) {
  const aed_mean_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t o = 0; o < p->outer; o++, x += p->reduce * p->inner, y += p->inner) {
    int32_t i = 0;
#ifdef AED_OWN_SUM_4
    for (; i + 4 <= p->inner; i += 4) {
      int32_t sum[4];
      aed_sum_4(x + i, p->reduce, p->inner, sum);
      for (int32_t k = 0; k < 4; k++) {
        y[i + k] = scaled(p, sum[k]);
      }
    }
#endif
    for (; i < p->inner; i++) {
      int32_t sum = 0;
      const int8_t *u = x + i;
      for (int32_t r = 0; r < p->reduce; r++, u += p->inner) {
        sum += *u;
      }
      y[i] = scaled(p, sum);
    }
  }
}
