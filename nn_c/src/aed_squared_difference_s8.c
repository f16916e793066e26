#include "aed_binary_s8.h"

/* As aed_sub_s8 with 7 extra bits, so that the square stays below 2^30. */
static int32_t squared_difference(const aed_binary_params *p, int32_t a, int32_t b) {
  const int32_t u = aed_rescale((a - p->zero_point_a) * (1 << 7), p->multiplier_a, p->shift_a);
  const int32_t v = aed_rescale((b - p->zero_point_b) * (1 << 7), p->multiplier_b, p->shift_b);
  return aed_rescale((u - v) * (u - v), p->multiplier, p->shift);
}

void aed_squared_difference_s8(const void *params, uint8_t *arena) {
  aed_binary_walk(params, arena, squared_difference);
}
