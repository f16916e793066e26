#include "aed_binary_s8.h"

static int32_t mul(const aed_binary_params *p, int32_t a, int32_t b) {
  return aed_rescale((a - p->zero_point_a) * (b - p->zero_point_b), p->multiplier, p->shift);
}

void aed_mul_s8(const void *params, uint8_t *arena) {
  aed_binary_walk(params, arena, mul);
}
