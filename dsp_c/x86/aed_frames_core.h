/* The body of aed_frames_<isa>, for the lanes whose header the including file has included. */
#ifndef AED_FRAMES_CORE_H
#define AED_FRAMES_CORE_H

#include "../src/aed_frame_core.h"
#include "aed_transpose.h"
#include "aed_x86.h"

_Static_assert(AED_LANES <= AED_ISA_MAX_LANES, "aed_clip_frames has room for so many");

/* All lanes' windowed points: four pairs of samples at a time, each pair one 32-bit word. */
AED_INLINE void window_lanes(const int16_t *const pcm[AED_LANES], const float *window,
                             uint32_t length, lane *z) {
  const void *from[AED_LANES];
  for (uint32_t l = 0; l < AED_LANES; l++) {
    from[l] = pcm[l];
  }
  uint32_t i = 0;
  for (; i + 8U <= length; i += 8U) {
    lane_int pairs[4];
    lane_load4(from, i * sizeof(int16_t), pairs);
    for (uint32_t p = 0; p < 4U; p++) {
      z[i + 2U * p] = lane_of_int((pairs[p] << 16) >> 16) * window[i + 2U * p];
      z[i + 2U * p + 1U] = lane_of_int(pairs[p] >> 16) * window[i + 2U * p + 1U];
    }
  }
  for (; i < length; i++) {
    for (uint32_t l = 0; l < AED_LANES; l++) {
      z[i][l] = (float)pcm[l][i] * window[i];
    }
  }
  if ((length & 1U) != 0U) {
    z[length] = lane_of_float(0.0F);
  }
}

AED_INLINE void scatter(const lane *x, uint32_t n, float *const to[AED_LANES]) {
  void *rows[AED_LANES];
  for (uint32_t l = 0; l < AED_LANES; l++) {
    rows[l] = to[l];
  }
  uint32_t m = 0;
  for (; m + 4U <= n; m += 4U) {
    lane_int four[4] = {lane_bits(x[m]), lane_bits(x[m + 1U]), lane_bits(x[m + 2U]),
                        lane_bits(x[m + 3U])};
    lane_store4(rows, m * sizeof(float), four);
  }
  for (; m < n; m++) {
    for (uint32_t l = 0; l < AED_LANES; l++) {
      to[l][m] = x[m][l];
    }
  }
}

AED_INLINE void frames_of(const aed_frontend_config *config, const int16_t *const *pcm,
                          float *const *frames, void *scratch) {
  lane *z = (lane *)scratch;
  lane *spectrum = z + config->n_fft;
  lane *result = spectrum + config->n_fft / 2U + 1U;
  window_lanes(pcm, config->window, config->window_length, z);
  spectrum_of(z, NULL, config, spectrum);
  if (config->n_mfcc == 0U) {
    log_mel_of(spectrum, config, result);
  } else {
    log_mel_of(spectrum, config, z); /* the points are done with */
    mfcc_of(z, config, result);
  }
  scatter(result, aed_frontend_width(config), frames);
}

#endif
