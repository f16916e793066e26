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

/* cffi: begin */
typedef struct {
  uint32_t sample_rate;   /* Hz; documentation only, the arithmetic doesn't use it */
  uint32_t n_fft;         /* points of the real FFT: a power of two, 64 to 4096 */
  uint32_t window_length; /* samples under the window: 1 to n_fft */
  uint32_t hop_length;    /* samples between frames: at least 1 */
  int32_t first_sample;   /* first sample under frame 0's window, relative to the start; negative:
                             zeros come first */
  uint32_t n_mels;        /* bands: at least 1 */
  uint32_t patch_length;  /* frames of a patch: at least 1 */
  uint32_t patch_hop;     /* frames between patches: 1 to patch_length */
  uint32_t power;         /* exponent of the magnitude: 1 or 2 */
  float floor;            /* mel values below are raised to it (dB); 0 without a floor */
  float offset;           /* added to every mel value before the logarithm (log); 0 for dB */
  float log_scale; /* factor of the natural logarithm: 1 for log, 10/ln 10 or 20/ln 10 for dB */
  const float
      *window; /* window_length values, scaled by 2^-15 so that int16 samples count as -1 .. 1 */
  const float *twiddle;      /* 3 n_fft / 4 pairs (cos, -sin)(2 pi k / n_fft) */
  const uint16_t *reverse;   /* n_fft / 2 bit-reversed indices */
  const uint16_t *mel_start; /* n_mels: first bin of each band */
  const uint16_t *mel_count; /* n_mels: bins of each band; start + count <= n_fft / 2 + 1 */
  const float *mel_weight;   /* all bands' weights, for dB divided by the reference */
} aed_frontend_config;

/* Checks every rule stated above that can be checked without the tables' lengths. */
aed_status aed_frontend_check(const aed_frontend_config *config);

/* Bytes of scratch memory (aligned to 8) that a frame needs. */
size_t aed_frontend_scratch_size(const aed_frontend_config *config);

/* One frame. pcm: window_length samples; log_mel: n_mels floats. The configuration must have passed
 * the check. */
aed_status aed_frontend_frame(const aed_frontend_config *config, const int16_t *pcm, float *log_mel,
                              void *scratch);

/* Frames first .. first + count - 1 of a whole clip of n samples; where a window reaches beyond the
 * clip it sees zeros. log_mel: count x n_mels floats, frame by frame. */
aed_status aed_frontend_clip(const aed_frontend_config *config, const int16_t *pcm, size_t n,
                             size_t first, size_t count, float *log_mel, void *scratch);
/* cffi: end */

#endif
