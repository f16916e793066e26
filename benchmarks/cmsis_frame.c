/* The peer of the front end on the emulated board: one frame made of CMSIS-DSP's primitives. To the
 * UART the frame, then what it costs. */
#include "aed_features.h"
#include "arm_math.h"
#include "board.h"
#include "given.h" /* generated: samples[N_SAMPLES] */

static float32_t points[4096];
static float32_t bins[4098];
static float32_t spectrum[2049];
static float32_t frame[AED_FEATURES_WIDTH];

int main(void) {
  const aed_frontend_config *config = &aed_features;
  const uint32_t n = config->n_fft / 2U;
  arm_rfft_fast_instance_f32 fft;
  aed_board_init();
  (void)arm_rfft_fast_init_f32(&fft, (uint16_t)config->n_fft);
  const uint32_t start = aed_board_counter();
  arm_q15_to_float(samples, points, config->window_length);
  arm_mult_f32(points, config->window, points, config->window_length);
  arm_fill_f32(0.0F, points + config->window_length, config->n_fft - config->window_length);
  arm_rfft_fast_f32(&fft, points, bins, 0);
  const float32_t last = bins[1]; /* packed there; all of them are real */
  bins[1] = 0.0F;
  bins[2U * n] = last;
  bins[2U * n + 1U] = 0.0F;
  if (config->power == 1U) {
    arm_cmplx_mag_f32(bins, spectrum, n + 1U);
  } else {
    arm_cmplx_mag_squared_f32(bins, spectrum, n + 1U);
  }
  const float32_t *weight = config->mel_weight;
  for (uint32_t m = 0; m < config->n_mels; m++) {
    arm_dot_prod_f32(spectrum + config->mel_start[m], weight, config->mel_count[m], frame + m);
    weight += config->mel_count[m];
  }
  /* The window holds 2^-16, where q15 already is -1 .. 1. */
  arm_scale_f32(frame, config->power == 1U ? 65536.0F : 65536.0F * 65536.0F, frame, config->n_mels);
  if (config->floor > 0.0F) {
    arm_clip_f32(frame, frame, config->floor, 1e30F, config->n_mels);
  }
  arm_offset_f32(frame, config->offset, frame, config->n_mels);
  arm_vlog_f32(frame, frame, config->n_mels);
  arm_scale_f32(frame, config->log_scale, frame, config->n_mels);
  const uint32_t ticks = aed_board_counter() - start;
  aed_board_write((const uint8_t *)frame, sizeof frame);
  aed_board_write((const uint8_t *)&ticks, sizeof ticks);
  return 0;
}
