#include "aed_binary_s8.h"

static int32_t maximum(const aed_binary_params *p, int32_t a, int32_t b) {
  (void)p;
  return aed_max(a, b);
}

void aed_maximum_s8(const void *params, uint8_t *arena) {
  aed_binary_walk(params, arena, maximum);
}
