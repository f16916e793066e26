#include "aed_matmul.h"

#include <string.h>

#include "aed_nn_math.h"

static void store4(const aed_conv_params *p, int32_t c, const int32_t *acc, int8_t *y) {
  const int32_t n = aed_min(4, p->out_c - c);
  for (int32_t i = 0; i < n; i++) {
    const int32_t q =
        aed_rescale(acc[i], p->multiplier[c + i], p->shift[c + i]) + p->output_zero_point;
    y[c + i] = (int8_t)aed_clamp(q, p->act_min, p->act_max);
  }
}

void aed_matmul_1row(const aed_conv_params *p, int32_t depth, const int8_t *x, int8_t *y) {
  int32_t acc[4];
  for (int32_t c = 0; c < p->out_c; c += 4) {
    memcpy(acc, p->bias + c, sizeof acc);
    aed_dot_1x4(x, p->weights + c * depth, depth, acc);
    store4(p, c, acc, y);
  }
}

void aed_matmul_2rows(const aed_conv_params *p, int32_t depth, const int8_t *x0, const int8_t *x1,
                      int8_t *y0, int8_t *y1) {
  int32_t acc[8];
  for (int32_t c = 0; c < p->out_c; c += 4) {
    memcpy(acc, p->bias + c, sizeof acc / 2);
    memcpy(acc + 4, p->bias + c, sizeof acc / 2);
    aed_dot_2x4(x0, x1, p->weights + c * depth, depth, acc);
    store4(p, c, acc, y0);
    store4(p, c, acc + 4, y1);
  }
}
