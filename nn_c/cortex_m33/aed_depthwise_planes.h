/* Depthwise convolutions of 3x3 windows. */
#ifndef AED_DEPTHWISE_PLANES_H
#define AED_DEPTHWISE_PLANES_H

#include "aed_nn_kernels.h"

/* Output rows oy .. oy + n - 1 of a layer with tile > 0; x is its input, y its output. */
void aed_depthwise_planes(const aed_conv_params *p, const int8_t *x, int32_t oy, int32_t n,
                          uint32_t *scratch, int8_t *y);

#endif
