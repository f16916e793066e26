/* The streaming front end on an emulated board, for tests and benchmarks: frames of given samples
 * to the UART, then what they cost. */
#include "aed_features.h"
#include "aed_stream.h"
#include "board.h"
#include "samples.h" /* generated: int16_t samples[N_SAMPLES] */

static uint8_t memory[AED_FEATURES_STREAM_SIZE] __attribute__((aligned(8)));

int main(void) {
  aed_stream stream;
  /* instructions of: one frame (the last), its spectrum, its mel bands; bytes of the stream */
  uint32_t counts[4] = {0, 0, 0, sizeof stream + sizeof memory};
  aed_board_init();
  if (aed_stream_init(&stream, &aed_features, memory, sizeof memory) != AED_OK) {
    return 1;
  }
  const size_t hop = AED_FEATURES_HOP_LENGTH;
  for (size_t at = 0; at < N_SAMPLES;) {
    const size_t left = N_SAMPLES - at;
    const int32_t frames = aed_stream_frames(&stream);
    const uint32_t start = aed_board_counter();
    size_t consumed = 0;
    if (aed_stream_push(&stream, samples + at, left < hop ? left : hop, &consumed) != AED_OK) {
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
  float *spectrum = (float *)stream.scratch + aed_features.n_fft;
  uint32_t start = aed_board_counter();
  aed_frontend_spectrum(&aed_features, stream.pcm, spectrum, stream.scratch);
  counts[1] = aed_board_counter() - start;
  start = aed_board_counter();
  aed_frontend_log_mel(&aed_features, spectrum, stream.frames);
  counts[2] = aed_board_counter() - start;
  aed_board_write((const uint8_t *)counts, sizeof counts);
  return 0;
}
