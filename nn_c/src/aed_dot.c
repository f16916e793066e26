#include "aed_matmul.h"

#ifndef AED_OWN_DOT

/* Sums in local variables, which nothing else can point at. */
void aed_dot_1x4(const int8_t *x, const int8_t *w, int32_t depth, int32_t acc[4]) {
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  for (; depth >= 4; depth -= 4, x += 4, w += 16) {
    a0 += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
    a1 += x[0] * w[4] + x[1] * w[5] + x[2] * w[6] + x[3] * w[7];
    a2 += x[0] * w[8] + x[1] * w[9] + x[2] * w[10] + x[3] * w[11];
    a3 += x[0] * w[12] + x[1] * w[13] + x[2] * w[14] + x[3] * w[15];
  }
  for (; depth > 0; depth--, x++, w++) {
    a0 += *x * w[0];
    a1 += *x * w[4];
    a2 += *x * w[8];
    a3 += *x * w[12];
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

#endif
