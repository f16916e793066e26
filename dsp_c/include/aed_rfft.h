/* Spectrum of a real signal through a complex FFT of half its length. */
#ifndef AED_RFFT_H
#define AED_RFFT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* packed: X[0], X[n_fft / 2], then real and imaginary part of X[1] .. X[n_fft / 2 - 1]: n_fft
 * floats, in the order of CMSIS-DSP's arm_rfft_fast_f32. x: n_fft samples; n_fft: a power of two,
 * 64 to 4096; twiddle, rfft_twiddle, order: tables as aed_frontend_config describes them; scratch:
 * n_fft floats. Nothing overlaps. */
void aed_rfft(const float *x, uint32_t n_fft, const float *twiddle, const float *rfft_twiddle,
              const uint16_t *order, float *packed, float *scratch);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
