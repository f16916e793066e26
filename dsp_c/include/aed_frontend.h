/* The log-mel front end: 16-bit PCM in, log-mel frames out, bit for bit the same on host and
 * device.
 *
 * One frame: window -> real FFT -> magnitude or power -> mel -> logarithm. Every operation is
 * binary32 in the order in which the sources state it; docs/front-end.md has the formulas. */
#ifndef AED_FRONTEND_H
#define AED_FRONTEND_H

#include "aed_status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* Raised by every change of the arithmetic that changes a bit of a feature: part of the hash of a
 * specification, so that models, caches and firmware of another revision are told apart. */
#define AED_FRONTEND_REVISION 3

typedef struct {
  uint32_t sample_rate;   /* Hz; documentation only, the arithmetic doesn't use it */
  uint32_t n_fft;         /* points of the real FFT: a power of two, 64 to 4096 */
  uint32_t window_length; /* samples under the window: 1 to n_fft */
  uint32_t hop_length;    /* samples between frames: at least 1 */
  int32_t first_sample;   /* first sample under frame 0's window, relative to the start; negative:
                             zeros come first */
  uint32_t n_mels;        /* bands: at least 1 */
  uint32_t n_mfcc;        /* 0: a frame is n_mels log-mel values;
                             else so many cepstral coefficients, at most n_mels */
  uint32_t patch_length;  /* frames of a patch: at least 1 */
  uint32_t patch_hop;     /* frames between patches: 1 to patch_length */
  uint32_t power;         /* exponent of the magnitude: 1 or 2 */
  float floor;            /* mel values below are raised to it (dB); 0 without a floor */
  float offset;           /* added to every mel value before the logarithm (log); 0 for dB;
                             floor + offset is at least 2^-126 */
  float log_scale; /* factor of the natural logarithm: 1 for log, 10/ln 10 or 20/ln 10 for dB */
  /* Tables. Any content is safe but `order`'s, `mel_start`'s and `mel_count`'s, which index. */
  const float *window;       /* window_length values and, where that is odd, a 0;
                                scaled by 2^-16: 2^-15 makes int16 samples -1 .. 1,
                                the rest is the real transform's factor 1/2 */
  const float *twiddle;      /* for each radix-4 stage with quarters of q = n_fft / 8,
                                n_fft / 32 .. points, for j = 0 .. q - 1: three pairs
                                (cos, -sin)(2 pi j m / 4 q), m = 1, 2, 3 */
  const float *rfft_twiddle; /* of the real transform's post-processing; with R = 4 where
                                n_fft / 2 is a power of 4 and 2 elsewhere, and
                                J = n_fft / 2 / R: for j = 0 .. J / 2 the pairs
                                (cos, -sin)(2 pi (j + q J) / n_fft), q = 0 .. R - 1 */
  const uint16_t *order;     /* J: 2 R times the base-4 digits of j reversed, where in the
                                transformed points the block j stands */
  const uint16_t *mel_start; /* n_mels: first bin of each band */
  const uint16_t *mel_count; /* n_mels: bins of each band; start + count <= n_fft / 2 + 1 */
  const float *dct;          /* n_mfcc rows of n_mels; NULL when n_mfcc is 0 */
  const float *mel_weight;   /* all bands' weights, for dB divided by the reference */
} aed_frontend_config;

/* AED_FRONTEND_REVISION, and 1000 more where the build uses CMSIS-DSP's FFT. */
uint32_t aed_frontend_revision(void);

/* Checks every rule stated above that can be checked without the tables' lengths. */
aed_status aed_frontend_check(const aed_frontend_config *config);

/* Bytes of scratch memory (aligned to 8) that a frame needs. */
size_t aed_frontend_scratch_size(const aed_frontend_config *config);

/* Values of a frame: n_mels or n_mfcc. */
uint32_t aed_frontend_width(const aed_frontend_config *config);

/* One frame. pcm: window_length samples; frame: aed_frontend_width floats. The configuration must
 * have passed the check. */
aed_status aed_frontend_frame(const aed_frontend_config *config, const int16_t *pcm, float *frame,
                              void *scratch);

/* The parts of a frame, the last one for n_mfcc > 0. spectrum:
 * n_fft / 2 + 1 magnitudes or squared magnitudes. */
void aed_frontend_spectrum(const aed_frontend_config *config, const int16_t *pcm, float *spectrum,
                           void *scratch);
void aed_frontend_log_mel(const aed_frontend_config *config, const float *spectrum, float *log_mel);
void aed_frontend_mfcc(const aed_frontend_config *config, const float *log_mel, float *mfcc);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
