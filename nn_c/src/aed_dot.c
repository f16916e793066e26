#include <stddef.h>
#include <string.h>

#include "aed_matmul.h"

#ifdef AED_SIMD32

/* Four depths of one channel. */
static inline int32_t four(uint32_t even, uint32_t odd, const int8_t *w, int32_t acc) {
  const uint32_t v = aed_load4(w);
  return aed_smlad(odd, aed_odd(v), aed_smlad(even, aed_even(v), acc));
}

void aed_dot_1x4(const int8_t *x, const int8_t *w, int32_t depth, int32_t acc[4]) {
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  for (; depth > 0; depth -= 4, x += 4, w += 16) {
    uint32_t v = 0;
    if (depth >= 4) {
      v = aed_load4(x);
    } else {
      memcpy(&v, x, (size_t)depth);
    }
    const uint32_t even = aed_even(v), odd = aed_odd(v);
    a0 = four(even, odd, w, a0);
    a1 = four(even, odd, w + 4, a1);
    a2 = four(even, odd, w + 8, a2);
    a3 = four(even, odd, w + 12, a3);
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

#else

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

void aed_dot_2x4(const int8_t *x0, const int8_t *x1, const int8_t *w, int32_t depth,
                 int32_t acc[8]) {
  aed_dot_1x4(x0, w, depth, acc);
  aed_dot_1x4(x1, w, depth, acc + 4);
}

#endif
