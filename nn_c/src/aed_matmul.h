/* The inner loops of every convolution but the depthwise ones, and of fully connected layers. */
#ifndef AED_MATMUL_H
#define AED_MATMUL_H

#include "aed_instruction_sets.h"

/* Bytes of four channels of packed weights: [depth / 4][4 channels][4], zeros at the end. */
static inline int32_t aed_quad_bytes(int32_t depth) {
  return (depth + 3) / 4 * 16;
}

/* Adds to acc[0..3] the products of x[0..depth-1] with four channels of packed weights. */
void aed_dot_1x4(const int8_t *x, const int8_t *w, int32_t depth, int32_t acc[4]);

/* One or two output pixels, all channels, requantized: y[c] from bias[c] + sum over k < depth of
 * x[k] * weights[c][k]. */
void aed_matmul_1row(const aed_conv_params *p, int32_t depth, const int8_t *x, int8_t *y);
void aed_matmul_2rows(const aed_conv_params *p, int32_t depth, const int8_t *x0, const int8_t *x1,
                      int8_t *y0, int8_t *y1);

#ifdef AED_TILES
/* Pairs that a run of depth values takes, filled up to whole words of four bytes. */
static inline int32_t aed_pairs(int32_t depth) {
  return (depth + 3) / 4 * 2;
}

/* Widens two rows of depth values to int16 in 2 * pairs words, in an order that is
 * aed_matmul_tile's own affair; on a Cortex-M33 [pairs][2] words: values 0 and 2, 1 and 3,
 * 4 and 6 ...
 *
 * Doubled sums save instructions when they are rounded, so either these values or the weights are
 * doubled, whichever is less work: doubled values are a matter of the layer's inputs, of which a
 * window has many copies. */
void aed_expand_2(const int8_t *x0, const int8_t *x1, int32_t depth, int32_t doubled,
                  uint32_t *out);

/* The products of n pixels, which stand in x two by two as aed_expand_2 leaves them (of an odd n
 * the last one twice), doubled or not: y[n][out_c]. w is room for 4 * pairs words: four channels of
 * weights are widened once for all pixels. */
void aed_matmul_tile(const aed_conv_params *p, int32_t depth, int32_t n, int32_t doubled,
                     const uint32_t *x, uint32_t *w, int8_t *y);
#endif

#endif
