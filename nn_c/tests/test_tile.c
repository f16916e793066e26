/* The tile of processors without an instruction set of ours, which this one may have: its code once
 * more, with no choice at run time; in memory of exactly the documented sizes. */
#include <stdlib.h>

#include "../src/aed_instruction_sets.h"
#include "aed_check.h"

#undef AED_RUN_TIME_CHOICE
#define aed_matmul_tile plain_tile
#define aed_expand_2 plain_expand_2
#include "../src/aed_matmul_tile.c" /* NOLINT */
#undef aed_matmul_tile
#undef aed_expand_2

enum { MAX_DEPTH = 21, MAX_PIXELS = 5, MAX_CHANNELS = 9 };

static uint32_t state = 1;

static int8_t random_byte(void) {
  state = state * 1664525U + 1013904223U;
  return (int8_t)(state >> 24);
}

/* By the definition: channel c's weight of k stands at [c / 4][k / 4][c % 4][k % 4]. */
static int8_t expected(const aed_conv_params *p, int32_t depth, const int8_t *x, int32_t c) {
  const int8_t *w = p->weights + c / 4 * aed_quad_bytes(depth);
  int32_t sum = p->bias[c];
  for (int32_t k = 0; k < depth; k++) {
    sum += x[k] * w[k / 4 * 16 + c % 4 * 4 + k % 4];
  }
  const int32_t q = aed_rescale(sum, p->multiplier[c], p->shift[c]) + p->output_zero_point;
  return (int8_t)(q < p->act_min ? p->act_min : q > p->act_max ? p->act_max : q);
}

static void test_tile(int32_t depth, int32_t n, int32_t out_c) {
  const size_t n_weights = (size_t)((out_c + 3) / 4 * aed_quad_bytes(depth));
  const size_t words = (size_t)aed_pairs(depth);
  int8_t *weights = calloc(n_weights, 1), *y = malloc((size_t)(n * out_c));
  uint32_t *x = calloc((size_t)((n + 1) / 2) * 2 * words, sizeof *x);
  uint32_t *w = malloc(4 * words * sizeof *w);
  int8_t pixels[MAX_PIXELS + 1][MAX_DEPTH];
  int32_t bias[MAX_CHANNELS], multiplier[MAX_CHANNELS];
  int8_t shift[MAX_CHANNELS];
  for (int32_t c = 0; c < out_c; c++) {
    for (int32_t k = 0; k < depth; k++) {
      weights[c / 4 * aed_quad_bytes(depth) + k / 4 * 16 + c % 4 * 4 + k % 4] = random_byte();
    }
    bias[c] = 100 * random_byte();
    multiplier[c] = 1500000000 + 1000000 * random_byte();
    shift[c] = (int8_t)(-6 - c);
  }
  for (int32_t i = 0; i < n; i++) {
    for (int32_t k = 0; k < depth; k++) {
      pixels[i][k] = random_byte();
    }
  }
  const aed_conv_params p = {.out_c = out_c,
                             .output_zero_point = 3,
                             .act_min = -100,
                             .act_max = 90,
                             .weights = weights,
                             .bias = bias,
                             .multiplier = multiplier,
                             .shift = shift};
  for (int32_t i = 0; i < n; i += 2) {
    plain_expand_2(pixels[i], pixels[i + 1 < n ? i + 1 : i], depth, 0, x + (size_t)i * words);
  }
  plain_tile(&p, depth, n, 0, x, w, y);
  for (int32_t i = 0; i < n; i++) {
    for (int32_t c = 0; c < out_c; c++) {
      CHECK(y[i * out_c + c] == expected(&p, depth, pixels[i], c));
    }
  }
  free(weights);
  free(x);
  free(w);
  free(y);
}

int main(void) {
  for (int32_t depth = 1; depth <= MAX_DEPTH; depth++) {
    for (int32_t n = 1; n <= MAX_PIXELS; n++) {
      for (int32_t out_c = 1; out_c <= MAX_CHANNELS; out_c++) {
        test_tile(depth, n, out_c);
      }
    }
  }
  return aed_check_result("tile");
}
