/* The inner loops of every convolution but the depthwise ones, and of fully connected layers. */
#ifndef AED_MATMUL_H
#define AED_MATMUL_H

#include "aed_nn_kernels.h"

/* Adds to acc[0..3] the products of x[0..depth-1] with four interleaved channels of weights
 * [depth][4]. */
void aed_dot_1x4(const int8_t *x, const int8_t *w, int32_t depth, int32_t acc[4]);

/* The same for two rows at once: acc[0..3] belongs to x0, acc[4..7] to x1. */
void aed_dot_2x4(const int8_t *x0, const int8_t *x1, const int8_t *w, int32_t depth,
                 int32_t acc[8]);

/* One or two output pixels, all channels, requantized: y[c] from bias[c] + sum over k < depth of
 * x[k] * weights[c][k]. */
void aed_matmul_1row(const aed_conv_params *p, int32_t depth, const int8_t *x, int8_t *y);
void aed_matmul_2rows(const aed_conv_params *p, int32_t depth, const int8_t *x0, const int8_t *x1,
                      int8_t *y0, int8_t *y1);

#endif
