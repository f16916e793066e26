#include "aed_frontend.h"
#include "aed_log.h"
#include "aed_mel.h"
#include "aed_rfft.h"

aed_status aed_frontend_check(const aed_frontend_config *config) {
  if (config == NULL || config->window == NULL || config->twiddle == NULL ||
      config->reverse == NULL || config->mel_start == NULL || config->mel_count == NULL ||
      config->mel_weight == NULL) {
    return AED_ERR_ARGUMENT;
  }
  const uint32_t n_fft = config->n_fft;
  if (n_fft < 64U || n_fft > 4096U || (n_fft & (n_fft - 1U)) != 0U) {
    return AED_ERR_ARGUMENT;
  }
  if (config->window_length < 1U || config->window_length > n_fft || config->hop_length < 1U ||
      config->hop_length > 65536U || config->n_mels < 1U || config->n_mels > n_fft / 2U + 1U ||
      config->patch_length < 1U || config->patch_length > 65536U || config->patch_hop < 1U ||
      config->patch_hop > config->patch_length) {
    return AED_ERR_ARGUMENT;
  }
  if (config->first_sample > (int32_t)n_fft || config->first_sample < -(int32_t)n_fft ||
      (config->first_sample < 0 && (uint32_t)-config->first_sample > config->window_length)) {
    return AED_ERR_ARGUMENT;
  }
  if (config->power != 1U && config->power != 2U) {
    return AED_ERR_ARGUMENT;
  }
  for (uint32_t m = 0; m < config->n_mels; m++) {
    if ((uint32_t)config->mel_start[m] + config->mel_count[m] > n_fft / 2U + 1U) {
      return AED_ERR_ARGUMENT;
    }
  }
  return AED_OK;
}

/* Scratch: n_fft floats of FFT points, then n_fft / 2 + 1 floats of spectrum, then a window of PCM
 * (clip's ends only). */
static size_t spectrum_floats(const aed_frontend_config *config) {
  return config->n_fft / 2U + 1U;
}

size_t aed_frontend_scratch_size(const aed_frontend_config *config) {
  const size_t floats = config->n_fft + spectrum_floats(config);
  const size_t bytes = floats * sizeof(float) + config->window_length * sizeof(int16_t);
  return (bytes + 7U) & ~(size_t)7U;
}

aed_status aed_frontend_frame(const aed_frontend_config *config, const int16_t *pcm, float *log_mel,
                              void *scratch) {
  const uint32_t n_fft = config->n_fft;
  const uint32_t bins = n_fft / 2U + 1U;
  float *z = (float *)scratch;
  float *spectrum = z + n_fft;

  /* The window stands in the middle of the n_fft points; zeros around it. Even and odd samples
   * become real and imaginary parts, each point written where the bit-reversed transform wants it.
   */
  const uint32_t before = (n_fft - config->window_length) / 2U;
  for (uint32_t i = 0; i < n_fft; i++) {
    const uint32_t w = i - before; /* wraps to a huge value in front of the window */
    z[2U * config->reverse[i / 2U] + (i & 1U)] =
        w < config->window_length ? (float)pcm[w] * config->window[w] : 0.0F;
  }
  aed_cfft(z, n_fft / 2U, config->twiddle);
  aed_rfft_power(z, n_fft, config->twiddle, spectrum);
  if (config->power == 1U) {
    for (uint32_t k = 0; k < bins; k++) {
      spectrum[k] = __builtin_sqrtf(spectrum[k]);
    }
  }
  aed_mel(spectrum, config->n_mels, config->mel_start, config->mel_count, config->mel_weight,
          log_mel);
  for (uint32_t m = 0; m < config->n_mels; m++) {
    float value = log_mel[m];
    value = value < config->floor ? config->floor : value;
    log_mel[m] = config->log_scale * aed_log(value + config->offset);
  }
  return AED_OK;
}

aed_status aed_frontend_clip(const aed_frontend_config *config, const int16_t *pcm, size_t n,
                             size_t first, size_t count, float *log_mel, void *scratch) {
  const size_t length = config->window_length;
  int16_t *edge = (int16_t *)((float *)scratch + config->n_fft + spectrum_floats(config));
  for (size_t frame = first; frame < first + count; frame++) {
    const int64_t begin = (int64_t)(frame * config->hop_length) + config->first_sample;
    const int16_t *samples = NULL;
    if (begin >= 0 && (size_t)begin + length <= n) {
      samples = pcm + begin;
    } else {
      for (size_t i = 0; i < length; i++) {
        const int64_t at = begin + (int64_t)i;
        edge[i] = 0;
        if (at >= 0 && (size_t)at < n) {
          edge[i] = pcm[at];
        }
      }
      samples = edge;
    }
    const aed_status status = aed_frontend_frame(config, samples, log_mel, scratch);
    if (status != AED_OK) {
      return status;
    }
    log_mel += config->n_mels;
  }
  return AED_OK;
}
