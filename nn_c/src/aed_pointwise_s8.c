#include "aed_matmul.h"

void aed_pointwise_s8(const void *params, uint8_t *arena) {
  const aed_conv_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  const int32_t step = p->stride_w * p->in_c;
  for (int32_t oy = 0; oy < p->out_h; oy++) {
    const int8_t *row = x + oy * p->stride_h * p->in_w * p->in_c;
    int32_t ox = 0;
    for (; ox + 2 <= p->out_w; ox += 2) {
      aed_matmul_2rows(p, p->in_c, row, row + step, y, y + p->out_c);
      row += 2 * step;
      y += 2 * p->out_c;
    }
    if (ox < p->out_w) {
      aed_matmul_1row(p, p->in_c, row, y);
      y += p->out_c;
    }
  }
}
