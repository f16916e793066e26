#include "aed_matmul.h"

#include <stddef.h>

#include "aed_nn_math.h"

#if defined(AED_TILES) && !defined(AED_OWN_TILE)

/* int16 in their order, loops that compilers turn into vectors of any kind. */

void aed_expand_2(const int8_t *x0, const int8_t *x1, int32_t depth, int32_t doubled,
                  uint32_t *out) {
  int16_t *first = (int16_t *)(void *)out, *second = (int16_t *)(void *)(out + aed_pairs(depth));
  (void)doubled; /* is of no use here */
  for (int32_t i = 0; i < depth; i++) {
    first[i] = x0[i];
    second[i] = x1[i];
  }
  for (int32_t i = depth; i < (depth + 3) / 4 * 4; i++) {
    first[i] = second[i] = 0;
  }
}

/* One channel of packed weights as a run of int16. */
static void expand_channel(const int8_t *w, int32_t quads, int16_t *out) {
  for (; quads > 0; quads--, w += 16, out += 4) {
    for (int32_t i = 0; i < 4; i++) {
      out[i] = w[i];
    }
  }
}

static int32_t dot(const int16_t *x, const int16_t *w, int32_t n) {
  int32_t sum = 0;
  for (int32_t i = 0; i < n; i++) {
    sum += x[i] * w[i];
  }
  return sum;
}

void aed_matmul_tile(const aed_conv_params *p, int32_t depth, int32_t n, int32_t doubled,
                     const uint32_t *x, uint32_t *w, int8_t *y) {
#ifdef AED_RUN_TIME_CHOICE
  const aed_fast_kernels *fast = aed_find_fast_kernels();
  if (fast != NULL) {
    fast->matmul_tile(p, depth, n, x, w, y);
    return;
  }
#endif
  const int32_t length = 2 * aed_pairs(depth);
  const int16_t *pixels = (const int16_t *)(const void *)x;
  int16_t *wide = (int16_t *)(void *)w;
  (void)doubled;
  for (int32_t c = 0; c < p->out_c; c++) {
    expand_channel(p->weights + c / 4 * 4 * length + c % 4 * 4, length / 4, wide);
    for (int32_t i = 0; i < n; i++) {
      const int32_t acc = p->bias[c] + dot(pixels + i * length, wide, length);
      const int32_t q = aed_rescale(acc, p->multiplier[c], p->shift[c]) + p->output_zero_point;
      y[i * p->out_c + c] = (int8_t)aed_clamp(q, p->act_min, p->act_max);
    }
  }
}

#endif
