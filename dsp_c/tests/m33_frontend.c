/* The streaming front end on an emulated board, for tests and benchmarks: to the UART the frames of
 * given samples, the last patch quantized, given values quantized, then what it costs. */
#include "aed_features.h"
#include "aed_quantize.h"
#include "aed_stream.h"
#include "board.h"
#include "given.h" /* generated: samples[N_SAMPLES], values[N_VALUES], SCALE, ZERO_POINT */

static uint8_t memory[AED_FEATURES_STREAM_SIZE] __attribute__((aligned(8)));
static int8_t patch[AED_FEATURES_WIDTH * AED_FEATURES_PATCH_LENGTH];
static int8_t quantized[N_VALUES];

int main(void) {
  aed_stream stream;
  /* instructions of: one frame (the last), its spectrum,
   * its mel bands, the patch; bytes of the stream */
  uint32_t counts[5] = {0, 0, 0, 0, sizeof stream + sizeof memory};
  aed_board_init();
  if (aed_stream_init(&stream, &aed_features, memory, sizeof memory) != AED_OK) {
    return 1;
  }
  const size_t hop = AED_FEATURES_HOP_LENGTH;
  for (size_t at = 0; at < N_SAMPLES;) {
    const size_t left = N_SAMPLES - at;
    const size_t block = at < N_SAMPLES / 2 ? 1U + 37U * at % hop : hop;
    const int32_t frames = aed_stream_frames(&stream);
    const uint32_t start = aed_board_counter();
    size_t consumed = 0;
    if (aed_stream_push(&stream, samples + at, left < block ? left : block, &consumed) != AED_OK) {
      return 2;
    }
    const uint32_t ticks = aed_board_counter() - start;
    at += consumed;
    /* The first block may hold more than one frame: the leading zeros count as samples. */
    if (aed_stream_frames(&stream) != frames) {
      counts[0] = ticks;
      aed_board_write((const uint8_t *)aed_stream_last_frame(&stream),
                      AED_FEATURES_WIDTH * sizeof(float));
    }
    stream.ready = 0; /* patches are not looked at here */
  }
  stream.ready = 1; /* as if one ended with the last frame */
  uint32_t start = aed_board_counter();
  (void)aed_stream_patch_s8(&stream, SCALE, ZERO_POINT, patch);
  counts[3] = aed_board_counter() - start;
  aed_board_write((const uint8_t *)patch, sizeof patch);
  aed_quantize_s8(values, N_VALUES, SCALE, ZERO_POINT, quantized);
  aed_board_write((const uint8_t *)quantized, sizeof quantized);

  float *spectrum = (float *)stream.scratch + aed_features.n_fft;
  start = aed_board_counter();
  aed_frontend_spectrum(&aed_features, stream.pcm, spectrum, stream.scratch);
  counts[1] = aed_board_counter() - start;
  start = aed_board_counter();
  aed_frontend_log_mel(&aed_features, spectrum, stream.frames);
  counts[2] = aed_board_counter() - start;
  aed_board_write((const uint8_t *)counts, sizeof counts);
  return 0;
}
