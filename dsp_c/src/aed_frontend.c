#include "aed_frontend.h"
#include "aed_frame_core.h"

aed_status aed_frontend_check(const aed_frontend_config *config) {
  if (config == NULL || config->window == NULL || config->twiddle == NULL ||
      config->rfft_twiddle == NULL || config->order == NULL || config->mel_start == NULL ||
      config->mel_count == NULL || config->mel_weight == NULL) {
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
  if (config->n_mfcc > config->n_mels || (config->n_mfcc > 0U && config->dct == NULL)) {
    return AED_ERR_ARGUMENT;
  }
  if (!(config->floor + config->offset >= AED_SMALLEST)) {
    return AED_ERR_ARGUMENT;
  }
  const uint32_t last = last_radix(n_fft / 2U);
  for (uint32_t j = 0; j < n_fft / 2U / last; j++) {
    if (config->order[j] % (2U * last) != 0U || config->order[j] > n_fft - 2U * last) {
      return AED_ERR_ARGUMENT;
    }
  }
  for (uint32_t m = 0; m < config->n_mels; m++) {
    if ((uint32_t)config->mel_start[m] + config->mel_count[m] > n_fft / 2U + 1U) {
      return AED_ERR_ARGUMENT;
    }
  }
  return AED_OK;
}

#ifdef AED_DSP_FFT_CMSIS

#include "dsp/transform_functions.h"

uint32_t aed_frontend_revision(void) {
  return AED_FRONTEND_REVISION + 1000U;
}

/* Scratch: n_fft floats of samples, n_fft / 2 + 1 of spectrum, n_fft of packed bins. */
size_t aed_frontend_scratch_size(const aed_frontend_config *config) {
  const size_t floats = 2U * (size_t)config->n_fft + config->n_fft / 2U + 1U;
  return (floats * sizeof(float) + 7U) & ~(size_t)7U;
}

void aed_frontend_spectrum(const aed_frontend_config *config, const int16_t *pcm, float *spectrum,
                           void *scratch) {
  const uint32_t n = config->n_fft / 2U;
  float *x = (float *)scratch;
  float *packed = x + config->n_fft + n + 1U;
  arm_rfft_fast_instance_f32 fft;
  for (uint32_t i = 0; i < config->n_fft; i++) {
    /* Our window holds a factor 1/2 that only our own transform wants. */
    x[i] = i < config->window_length ? 2.0F * ((float)pcm[i] * config->window[i]) : 0.0F;
  }
  (void)arm_rfft_fast_init_f32(&fft, (uint16_t)config->n_fft); /* a length that was checked */
  arm_rfft_fast_f32(&fft, x, packed, 0);
  const int as = config->power == 1U ? AS_MAGNITUDE : AS_POWER;
  spectrum[0] = measure((point){packed[0], 0.0F}, as);
  spectrum[n] = measure((point){packed[1], 0.0F}, as);
  for (uint32_t k = 1; k < n; k++) {
    spectrum[k] = measure((point){packed[2U * k], packed[2U * k + 1U]}, as);
  }
}

#else

uint32_t aed_frontend_revision(void) {
  return AED_FRONTEND_REVISION;
}

/* Scratch: n_fft floats of points, n_fft / 2 + 1 of spectrum,
 * and a window of odd length with one more sample. */
static size_t padded_bytes(const aed_frontend_config *config) {
  return (config->window_length & 1U) != 0U ? (config->window_length + 1U) * sizeof(int16_t) : 0U;
}

size_t aed_frontend_scratch_size(const aed_frontend_config *config) {
  const size_t floats = (size_t)config->n_fft + config->n_fft / 2U + 1U;
  return (floats * sizeof(float) + padded_bytes(config) + 7U) & ~(size_t)7U;
}

void aed_frontend_spectrum(const aed_frontend_config *config, const int16_t *pcm, float *spectrum,
                           void *scratch) {
  float *z = (float *)scratch;
  if ((config->window_length & 1U) != 0U) {
    /* The last sample has no partner to make a complex point with. */
    int16_t *padded = (int16_t *)(void *)(z + config->n_fft + config->n_fft / 2U + 1U);
    memcpy(padded, pcm, config->window_length * sizeof *pcm);
    padded[config->window_length] = 0;
    pcm = padded;
  }
  spectrum_of(z, pcm, config, spectrum);
}

#endif

void aed_frontend_log_mel(const aed_frontend_config *config, const float *spectrum,
                          float *log_mel) {
  log_mel_of(spectrum, config, log_mel);
}

void aed_frontend_mfcc(const aed_frontend_config *config, const float *log_mel, float *mfcc) {
  mfcc_of(log_mel, config, mfcc);
}

uint32_t aed_frontend_width(const aed_frontend_config *config) {
  return config->n_mfcc > 0U ? config->n_mfcc : config->n_mels;
}

aed_status aed_frontend_frame(const aed_frontend_config *config, const int16_t *pcm, float *frame,
                              void *scratch) {
  float *z = (float *)scratch;
  float *spectrum = z + config->n_fft;
  aed_frontend_spectrum(config, pcm, spectrum, scratch);
  if (config->n_mfcc == 0U) {
    aed_frontend_log_mel(config, spectrum, frame);
  } else {
    aed_frontend_log_mel(config, spectrum, z); /* the points are done with */
    aed_frontend_mfcc(config, z, frame);
  }
  return AED_OK;
}
