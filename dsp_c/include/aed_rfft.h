/* Power spectrum of a real signal through a complex FFT of half its length. */
#ifndef AED_RFFT_H
#define AED_RFFT_H

#include <stdint.h>

/* cffi: begin */
/* In-place complex FFT, decimation in time.
 * n: points, a power of two, 16 to 2048. z: n pairs (re, im), in bit-reversed order on entry, in
 * natural order on return. twiddle: pairs (cos, -sin)(2 pi k / (2 n)) for k = 0 .. 3 n / 2 - 1,
 * that is, of the real transform of 2 n points. */
void aed_cfft(float *z, uint32_t n, const float *twiddle);

/* Squared magnitudes of the n_fft / 2 + 1 bins of the real signal whose even and odd samples are
 * the real and imaginary parts of the n_fft / 2 points that went into aed_cfft. z: its result.
 * power: n_fft / 2 + 1 floats, not overlapping z. */
void aed_rfft_power(const float *z, uint32_t n_fft, const float *twiddle, float *power);
/* cffi: end */

#endif
