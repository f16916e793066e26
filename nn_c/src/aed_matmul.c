#include "aed_matmul.h"

#include "aed_nn_math.h"

static void store4(const aed_conv_params *p, int32_t c, const int32_t acc[4], int8_t *y) {
  const int32_t n = aed_min(4, p->out_c - c);
  for (int32_t i = 0; i < n; i++) {
    const int32_t q = aed_rescale(acc[i], p->multiplier[c + i], p->shift[c + i]) + p->output_zero_point;
    y[c + i] = (int8_t)aed_clamp(q, p->act_min, p->act_max);
  }
}

void aed_matmul_1row(const aed_conv_params *p, int32_t depth, const int8_t *x, int8_t *y) {
  const int8_t *w = p->weights;
  for (int32_t c = 0; c < p->out_c; c += 4) {
    int32_t a0 = p->bias[c], a1 = p->bias[c + 1], a2 = p->bias[c + 2], a3 = p->bias[c + 3];
    const int8_t *const end = x + depth;
    for (const int8_t *u = x; u != end; u++, w += 4) {
      const int32_t v = *u;
      a0 += v * w[0];
      a1 += v * w[1];
      a2 += v * w[2];
      a3 += v * w[3];
    }
    const int32_t acc[4] = {a0, a1, a2, a3};
    store4(p, c, acc, y);
  }
}

void aed_matmul_2rows(const aed_conv_params *p, int32_t depth, const int8_t *x0, const int8_t *x1, int8_t *y0,
                      int8_t *y1) {
  const int8_t *w = p->weights;
  for (int32_t c = 0; c < p->out_c; c += 4) {
    int32_t a0 = p->bias[c], a1 = p->bias[c + 1], a2 = p->bias[c + 2], a3 = p->bias[c + 3];
    int32_t b0 = a0, b1 = a1, b2 = a2, b3 = a3;
    const int8_t *const end = w + 4 * depth;
    const int8_t *u0 = x0, *u1 = x1;
    for (; w != end; w += 4) {
      const int32_t v0 = *u0++, v1 = *u1++;
      int32_t t = w[0];
      a0 += v0 * t;
      b0 += v1 * t;
      t = w[1];
      a1 += v0 * t;
      b1 += v1 * t;
      t = w[2];
      a2 += v0 * t;
      b2 += v1 * t;
      t = w[3];
      a3 += v0 * t;
      b3 += v1 * t;
    }
    const int32_t acc0[4] = {a0, a1, a2, a3};
    const int32_t acc1[4] = {b0, b1, b2, b3};
    store4(p, c, acc0, y0);
    store4(p, c, acc1, y1);
  }
}
