/* The inner loops of every convolution but the depthwise ones: rows of int8 values times packed weights. */
#ifndef AED_MATMUL_H
#define AED_MATMUL_H

#include "aed_nn_kernels.h"

/* One or two output pixels, all channels: y[c] = requantized (bias[c] + sum over k of x[k] * weights[c][k]), k < depth. */
void aed_matmul_1row(const aed_conv_params *p, int32_t depth, const int8_t *x, int8_t *y);
void aed_matmul_2rows(const aed_conv_params *p, int32_t depth, const int8_t *x0, const int8_t *x1, int8_t *y0,
                      int8_t *y1);

#endif
