/* Streaming front end: PCM in blocks of any size -> frames -> overlapping patches, in constant
 * memory.
 *
 * Typical use:
 *   aed_stream_init(&stream, &aed_features, memory, sizeof memory);
 *   while (n > 0) {
 *     aed_stream_push(&stream, pcm, n, &consumed);
 *     pcm += consumed, n -= consumed;
 *     if (aed_stream_patch_ready(&stream)) {
 *       aed_stream_patch_s8(&stream, scale, zero_point, patch);
 *       ...
 *     }
 *   } */
#ifndef AED_STREAM_H
#define AED_STREAM_H

#include "aed_frontend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
/* All state belongs to the caller; the fields are private. */
typedef struct {
  const aed_frontend_config *config;
  float *frames;     /* ring of patch_length frames of aed_frontend_width values */
  void *scratch;     /* of one frame */
  int16_t *pcm;      /* window_length samples */
  uint32_t filled;   /* samples in pcm */
  uint32_t skip;     /* samples still to be dropped before the next frame's window begins */
  uint32_t n_frames; /* frames since reset, modulo 2^32 */
  uint32_t next_end; /* frame count at which the next patch is complete */
  uint32_t position; /* ring slot of the next frame */
  int32_t ready;     /* a patch waits to be taken */
} aed_stream;

/* Bytes of memory (aligned to 8) behind a stream: scratch,
 * one window of PCM and the ring of one patch. */
size_t aed_stream_size(const aed_frontend_config *config);

/* Binds configuration and memory, then resets.
 * AED_ERR_SIZE when `size` is below aed_stream_size. */
aed_status aed_stream_init(aed_stream *stream, const aed_frontend_config *config, void *memory,
                           size_t size);

/* Forgets all samples, as if nothing had been pushed. */
aed_status aed_stream_reset(aed_stream *stream);

/* Takes up to n samples. Stops early when a patch became ready; *consumed says how many were taken.
 * AED_ERR_STATE when a patch is still waiting. */
aed_status aed_stream_push(aed_stream *stream, const int16_t *pcm, size_t n, size_t *consumed);

/* Frames computed since the reset. */
int32_t aed_stream_frames(const aed_stream *stream);

/* The newest frame (aed_frontend_width floats), or NULL before the first. */
const float *aed_stream_last_frame(const aed_stream *stream);

/* 1 when a patch waits. */
int32_t aed_stream_patch_ready(const aed_stream *stream);

/* Takes the waiting patch: a row of patch_length values for each of a frame's. AED_ERR_STATE when
 * there is none. */
aed_status aed_stream_patch(aed_stream *stream, float *patch);

/* The same, quantized as aed_quantize_s8 and aed_quantize_u8 do. */
aed_status aed_stream_patch_s8(aed_stream *stream, float scale, int32_t zero_point, int8_t *patch);
aed_status aed_stream_patch_u8(aed_stream *stream, float scale, int32_t zero_point, uint8_t *patch);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
