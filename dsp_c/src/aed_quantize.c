#include "aed_quantize.h"

/* Everything beyond +-2^20 saturates any 8-bit type, and below it float and int32 convert exactly.
 */
#define LIMIT 1048576.0F

static int32_t quantize(float x, float scale, int32_t zero_point, int32_t low, int32_t high) {
  const float quotient = x / scale;
  int32_t q;
  if (quotient != quotient) {
    q = zero_point;
  } else if (quotient >= LIMIT) {
    q = high;
  } else if (quotient <= -LIMIT) {
    q = low;
  } else {
    const int32_t whole = (int32_t)quotient;
    const float rest = quotient - (float)whole;
    q = whole + zero_point;
    if (rest >= 0.5F) {
      q++;
    } else if (rest <= -0.5F) {
      q--;
    }
  }
  return q < low ? low : (q > high ? high : q);
}

void aed_quantize_s8(const float *x, size_t n, float scale, int32_t zero_point, int8_t *q) {
  for (size_t i = 0; i < n; i++) {
    q[i] = (int8_t)quantize(x[i], scale, zero_point, -128, 127);
  }
}

void aed_quantize_u8(const float *x, size_t n, float scale, int32_t zero_point, uint8_t *q) {
  for (size_t i = 0; i < n; i++) {
    q[i] = (uint8_t)quantize(x[i], scale, zero_point, 0, 255);
  }
}
