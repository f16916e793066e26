#include "../src/aed_matmul.h"

#ifdef AED_CORTEX_M33

#include <stddef.h>

#include "aed_simd32.h"

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

#endif
