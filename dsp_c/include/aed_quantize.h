/* Affine quantization of a float patch, exactly as TensorFlow Lite's QUANTIZE operator does it. */
#ifndef AED_QUANTIZE_H
#define AED_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

/* cffi: begin */
/* q = clamp(round(x / scale) + zero_point), the quotient a correctly rounded binary32 division,
 * halves rounded away from zero. scale > 0; zero_point: a value of q's type. A NaN gives the zero
 * point. x and q may not overlap. */
void aed_quantize_s8(const float *x, size_t n, float scale, int32_t zero_point, int8_t *q);
void aed_quantize_u8(const float *x, size_t n, float scale, int32_t zero_point, uint8_t *q);
/* cffi: end */

#endif
