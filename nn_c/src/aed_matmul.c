#include "aed_matmul.h"

#include <string.h>

#include "aed_nn_math.h"

#ifndef AED_TILES

/* Local copies: a store through y could change *p for all that the compiler knows. */
static void store4(const aed_conv_params *p, int32_t c, const int32_t *acc, int8_t *y) {
  const int32_t *multiplier = p->multiplier + c;
  const int8_t *shift = p->shift + c;
  const int32_t zero_point = p->output_zero_point, low = p->act_min, high = p->act_max;
  int32_t n = aed_min(4, p->out_c - c);
  for (y += c; n > 0; n--) {
    const int32_t q = aed_rescale(*acc++, *multiplier++, *shift++) + zero_point;
    *y++ = (int8_t)aed_clamp(q, low, high);
  }
}

void aed_matmul_1row(const aed_conv_params *p, int32_t depth, const int8_t *x, int8_t *y) {
  int32_t acc[4];
  for (int32_t c = 0; c < p->out_c; c += 4) {
    memcpy(acc, p->bias + c, sizeof acc);
    aed_dot_1x4(x, p->weights + c / 4 * aed_quad_bytes(depth), depth, acc);
    store4(p, c, acc, y);
  }
}

void aed_matmul_2rows(const aed_conv_params *p, int32_t depth, const int8_t *x0, const int8_t *x1,
                      int8_t *y0, int8_t *y1) {
  int32_t acc[8];
  for (int32_t c = 0; c < p->out_c; c += 4) {
    memcpy(acc, p->bias + c, sizeof acc / 2);
    memcpy(acc + 4, p->bias + c, sizeof acc / 2);
    const int8_t *w = p->weights + c / 4 * aed_quad_bytes(depth);
    aed_dot_1x4(x0, w, depth, acc);
    aed_dot_1x4(x1, w, depth, acc + 4);
    store4(p, c, acc, y0);
    store4(p, c, acc + 4, y1);
  }
}

#endif
