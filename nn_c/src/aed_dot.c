#include <stddef.h>

#include "aed_matmul.h"

void aed_dot_1x4(const int8_t *x, const int8_t *w, int32_t depth, int32_t acc[4]) {
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  const int8_t *const end = x + depth;
  for (; x != end; x++, w += 4) {
    const int32_t v = *x;
    a0 += v * w[0];
    a1 += v * w[1];
    a2 += v * w[2];
    a3 += v * w[3];
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

void aed_dot_2x4(const int8_t *x0, const int8_t *x1, const int8_t *w, int32_t depth,
                 int32_t acc[8]) {
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  int32_t b0 = acc[4], b1 = acc[5], b2 = acc[6], b3 = acc[7];
  /* Both rows lie in one arena: one moving pointer and a distance leave a register free. */
  const ptrdiff_t distance = x1 - x0;
  const int8_t *const end = x0 + depth;
  while (x0 != end) {
    const int32_t v1 = x0[distance];
    const int32_t v0 = *x0++;
    int32_t t = *w++;
    a0 += v0 * t;
    b0 += v1 * t;
    t = *w++;
    a1 += v0 * t;
    b1 += v1 * t;
    t = *w++;
    a2 += v0 * t;
    b2 += v1 * t;
    t = *w++;
    a3 += v0 * t;
    b3 += v1 * t;
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
  acc[4] = b0;
  acc[5] = b1;
  acc[6] = b2;
  acc[7] = b3;
}
