#include <string.h>

#include "aed_float.h"
#include "aed_matmul.h"
#include "aed_nn_math.h"

/* acc * scale rounded to nearest, ties away from zero. TensorFlow
 * Lite's reference kernel of this operator, and of no other, multiplies
 * in binary64; a fixed-point multiplier would differ near ties. */
static int32_t scale_f64(int32_t acc, double scale) {
  const double real = (double)acc * scale;
  int32_t q = (int32_t)real;
  const double rest = real - (double)q;
  if (rest >= 0.5) {
    q++;
  } else if (rest <= -0.5) {
    q--;
  }
  return q;
}

void aed_fully_connected_s8(const void *params, uint8_t *arena) {
  const aed_dense_params *p = params;
  const int8_t *x = (const int8_t *)arena + p->input;
  int8_t *y = (int8_t *)arena + p->output;
  for (int32_t r = 0; r < p->rows; r++, x += p->depth, y += p->out_c) {
    for (int32_t c = 0; c < p->out_c; c += 4) {
      int32_t acc[4];
      memcpy(acc, p->bias + c, sizeof acc);
      aed_dot_1x4(x, p->weights + c / 4 * aed_quad_bytes(p->depth), p->depth, acc);
      const int32_t n = aed_min(4, p->out_c - c);
      for (int32_t i = 0; i < n; i++) {
        const int32_t q = scale_f64(acc[i], p->scale[c + i]) + p->output_zero_point;
        y[c + i] = (int8_t)aed_clamp(q, p->act_min, p->act_max);
      }
    }
  }
}
