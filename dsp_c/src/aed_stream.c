#include "aed_stream.h"
#include "aed_quantize.h"
#include <string.h>

static size_t ring_bytes(const aed_frontend_config *config) {
  return ((size_t)config->patch_length * aed_frontend_width(config) * sizeof(float) + 7U) &
         ~(size_t)7U;
}

size_t aed_stream_size(const aed_frontend_config *config) {
  const size_t pcm = ((size_t)config->window_length * sizeof(int16_t) + 7U) & ~(size_t)7U;
  return ring_bytes(config) + aed_frontend_scratch_size(config) + pcm;
}

aed_status aed_stream_init(aed_stream *stream, const aed_frontend_config *config, void *memory,
                           size_t size) {
  if (stream == NULL || memory == NULL) {
    return AED_ERR_ARGUMENT;
  }
  const aed_status status = aed_frontend_check(config);
  if (status != AED_OK) {
    return status;
  }
  if (size < aed_stream_size(config)) {
    return AED_ERR_SIZE;
  }
  char *bytes = (char *)memory;
  stream->config = config;
  stream->frames = (float *)memory;
  stream->scratch = (void *)(bytes + ring_bytes(config));
  stream->pcm = (int16_t *)(void *)(bytes + ring_bytes(config) + aed_frontend_scratch_size(config));
  return aed_stream_reset(stream);
}

aed_status aed_stream_reset(aed_stream *stream) {
  const aed_frontend_config *config = stream->config;
  stream->filled = 0;
  stream->skip = 0;
  if (config->first_sample > 0) {
    stream->skip = (uint32_t)config->first_sample;
  } else {
    stream->filled = (uint32_t)-config->first_sample;
    memset(stream->pcm, 0, stream->filled * sizeof(int16_t));
  }
  stream->n_frames = 0;
  stream->next_end = config->patch_length;
  stream->position = 0;
  stream->ready = 0;
  return AED_OK;
}

static aed_status add_frame(aed_stream *stream) {
  const aed_frontend_config *config = stream->config;
  float *frame = stream->frames + (size_t)stream->position * aed_frontend_width(config);
  const aed_status status = aed_frontend_frame(config, stream->pcm, frame, stream->scratch);
  if (status != AED_OK) {
    return status;
  }
  stream->position = stream->position + 1U == config->patch_length ? 0U : stream->position + 1U;
  stream->n_frames++;
  if (stream->n_frames == stream->next_end) {
    stream->next_end += config->patch_hop;
    stream->ready = 1;
  }
  if (config->hop_length < config->window_length) {
    stream->filled = config->window_length - config->hop_length;
    memmove(stream->pcm, stream->pcm + config->hop_length, stream->filled * sizeof(int16_t));
  } else {
    stream->filled = 0;
    stream->skip = config->hop_length - config->window_length;
  }
  return AED_OK;
}

aed_status aed_stream_push(aed_stream *stream, const int16_t *pcm, size_t n, size_t *consumed) {
  const uint32_t length = stream->config->window_length;
  size_t used = 0;
  aed_status status = stream->ready ? AED_ERR_STATE : AED_OK;
  /* A window that the leading zeros fill alone is a frame before any sample arrives. */
  while (status == AED_OK && !stream->ready) {
    if (stream->filled == length) {
      status = add_frame(stream);
      continue;
    }
    if (used == n) {
      break;
    }
    const size_t left = n - used;
    if (stream->skip > 0U) {
      const size_t dropped = left < stream->skip ? left : stream->skip;
      stream->skip -= (uint32_t)dropped;
      used += dropped;
      continue;
    }
    const size_t room = length - stream->filled;
    const size_t taken = left < room ? left : room;
    memcpy(stream->pcm + stream->filled, pcm + used, taken * sizeof(int16_t));
    stream->filled += (uint32_t)taken;
    used += taken;
  }
  *consumed = used;
  return status;
}

int32_t aed_stream_frames(const aed_stream *stream) {
  return (int32_t)stream->n_frames;
}

const float *aed_stream_last_frame(const aed_stream *stream) {
  if (stream->n_frames == 0U) {
    return NULL;
  }
  const uint32_t last =
      (stream->position == 0U ? stream->config->patch_length : stream->position) - 1U;
  return stream->frames + (size_t)last * aed_frontend_width(stream->config);
}

int32_t aed_stream_patch_ready(const aed_stream *stream) {
  return stream->ready;
}

/* The waiting patch, transposed: as floats where `floats` isn't NULL, else as bytes of a type that
 * begins at `low`. */
static aed_status take_patch(aed_stream *stream, float *floats, uint8_t *bytes, float scale,
                             int32_t zero_point, int32_t low) {
  if (!stream->ready) {
    return AED_ERR_STATE;
  }
  const uint32_t length = stream->config->patch_length;
  const uint32_t width = aed_frontend_width(stream->config);
  uint32_t slot = stream->position; /* the oldest frame stands where the next will be written */
  for (uint32_t t = 0; t < length; t++) {
    const float *frame = stream->frames + (size_t)slot * width;
    slot = slot + 1U == length ? 0U : slot + 1U;
    if (floats == NULL) {
      uint8_t *q = bytes + t;
      for (uint32_t m = 0; m < width; m++, q += length) {
        *q = (uint8_t)aed_quantize_f32(frame[m], scale, zero_point, low);
      }
      continue;
    }
    for (uint32_t m = 0; m < width; m++) {
      floats[(size_t)m * length + t] = frame[m];
    }
  }
  stream->ready = 0;
  return AED_OK;
}

aed_status aed_stream_patch(aed_stream *stream, float *patch) {
  return take_patch(stream, patch, NULL, 1.0F, 0, 0);
}

aed_status aed_stream_patch_s8(aed_stream *stream, float scale, int32_t zero_point, int8_t *patch) {
  return take_patch(stream, NULL, (uint8_t *)patch, scale, zero_point, -128);
}

aed_status aed_stream_patch_u8(aed_stream *stream, float scale, int32_t zero_point,
                               uint8_t *patch) {
  return take_patch(stream, NULL, patch, scale, zero_point, 0);
}
