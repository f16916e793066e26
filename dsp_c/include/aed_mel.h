/* Sparse triangular mel filter bank. */
#ifndef AED_MEL_H
#define AED_MEL_H

#include <stdint.h>

/* cffi: begin */
/* mel[m] = sum of spectrum[start[m] + i] * weight[...] over i < count[m], bins in ascending order,
 * one accumulator. weight: the bands' weights one after another, without gaps. */
void aed_mel(const float *spectrum, uint32_t n_mels, const uint16_t *start, const uint16_t *count,
             const float *weight, float *mel);
/* cffi: end */

#endif
