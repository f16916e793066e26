#include "aed_nn_kernels.h"
#include "aed_nn_math.h"
#include "aed_simd32.h"

static int8_t scaled(const aed_mean_params *p, int32_t sum) {
  const int32_t centred = sum - p->input_zero_point * p->reduce;
  const int32_t q = aed_rescale(centred, p->multiplier, p->shift) + p->output_zero_point;
  return (int8_t)aed_clamp(q, -128, 127);
}

#ifdef AED_SIMD32

/* Four neighbours at a time, in pairs of int16 that hold 256 summands. */
static void mean_4(const aed_mean_params *p, const int8_t *x, int8_t *y) {
  int32_t sum[4] = {0, 0, 0, 0};
  for (int32_t left = p->reduce; left > 0; left -= 256) {
    uint32_t even = 0, odd = 0;
    for (int32_t n = aed_min(left, 256); n > 0; n--, x += p->inner) {
      const uint32_t four = aed_load4(x);
      even = aed_add_even(even, four);
      odd = aed_add_odd(odd, four);
    }
    sum[0] += (int16_t)even;
    sum[1] += (int16_t)odd;
    sum[2] += (int32_t)even >> 16;
    sum[3] += (int32_t)odd >> 16;
  }
  for (int32_t i = 0; i < 4; i++) {
    y[i] = scaled(p, sum[i]);
  }
}

#endif

void aed_mean_s8(const void *params, uint8_t *arena) {
  const aed_mean_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t o = 0; o < p->outer; o++, x += p->reduce * p->inner, y += p->inner) {
    int32_t i = 0;
#ifdef AED_SIMD32
    for (; i + 4 <= p->inner; i += 4) {
      mean_4(p, x + i, y + i);
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
