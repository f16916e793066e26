#include "aed_binary_s8.h"

/* a is the input, b the slope of its negative values. */
static int32_t prelu(const aed_binary_params *p, int32_t a, int32_t b) {
  const int32_t x = a - p->zero_point_a;
  return x >= 0 ? aed_rescale(x, p->multiplier_a, p->shift_a)
                : aed_rescale(x * (b - p->zero_point_b), p->multiplier, p->shift);
}

void aed_prelu_s8(const void *params, uint8_t *arena) {
  aed_binary_walk(params, arena, prelu);
}
