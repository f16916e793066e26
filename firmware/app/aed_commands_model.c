/* Requests about features and the model: `features`,
 * `detect`, `upload`, `infer`, `digests`, `benchmark`. */
#include <string.h>

#include "aed_crc32.h"
#include "aed_engine_model.h"
#include "aed_engine.h"
#include "aed_exchange.h"
#include "aed_features.h"
#include "aed_identity.h"
#include "board.h"

_Static_assert(AED_FEATURES_WIDTH * sizeof(float) + sizeof(aed_link_features_reply) <= AED_MAX_BODY,
               "a frame must fit in one reply");
_Static_assert(AED_N_CLASSES * sizeof(float) + sizeof(aed_link_detect_reply) <= AED_MAX_BODY,
               "the probabilities of all classes must fit in one reply");
_Static_assert(AED_ENGINE_OUTPUT_SIZE + sizeof(aed_link_infer_reply) <= AED_MAX_BODY,
               "the model's output must fit in one reply");
_Static_assert(AED_ENGINE_N_NODES * sizeof(uint32_t) + sizeof(aed_link_benchmark_reply) <=
                   AED_MAX_BODY,
               "the counts of all nodes must fit in one reply");

/* The PCM of a `features` or `detect` request, after its position was checked. */
static aed_status take_pcm(aed_commands *commands, const aed_exchange *x, const int16_t **pcm,
                           size_t *n) {
  uint32_t position;
  _Static_assert(offsetof(aed_link_features_request, position) == 0 &&
                     offsetof(aed_link_detect_request, position) == 0 &&
                     sizeof(aed_link_features_request) == sizeof position &&
                     sizeof(aed_link_detect_request) == sizeof position,
                 "both requests are a position and PCM");
  memcpy(&position, x->request, sizeof position);
  if (position == 0) {
    aed_start_clip(commands);
  } else if (position != commands->position) {
    return AED_ERR_STATE;
  }
  *pcm = (const int16_t *)(const void *)(x->request + sizeof position);
  *n = (x->request_size - sizeof position) / sizeof(int16_t);
  return AED_OK;
}

/* Push n samples of the clip; a completed patch goes into the model's input. */
static aed_status push(aed_commands *commands, const int16_t *pcm, size_t n, size_t *consumed,
                       int32_t *patch) {
  const aed_status status = aed_classifier_push(&commands->classifier, pcm, n, consumed, patch);
  commands->position += (uint32_t)*consumed;
  commands->patches += (uint32_t)*patch;
  return status;
}

aed_status aed_on_features(aed_commands *commands, aed_exchange *x) {
  const aed_stream *stream = &commands->classifier.stream;
  const size_t frame_size = AED_FEATURES_WIDTH * sizeof(float);
  const int16_t *pcm;
  size_t n;
  aed_status status = take_pcm(commands, x, &pcm, &n);
  if (status != AED_OK) {
    return status;
  }
  aed_link_features_reply reply = {.first_frame = (uint32_t)aed_stream_frames(stream)};
  size_t used = sizeof reply;
  /* One hop at most completes one frame, so each frame can be picked up. The first piece is empty:
   * zeros in front of the clip may be a frame by themselves. */
  size_t piece = 0;
  do {
    const int32_t frames = aed_stream_frames(stream);
    size_t consumed;
    int32_t patch;
    status = push(commands, pcm, piece, &consumed, &patch);
    if (status != AED_OK) {
      return status;
    }
    if (aed_stream_frames(stream) != frames) {
      memcpy(x->reply + used, aed_stream_last_frame(stream), frame_size);
      used += frame_size;
    }
    pcm += consumed;
    n -= consumed;
    piece = n < aed_features.hop_length ? n : aed_features.hop_length;
  } while (n > 0 && frame_size <= AED_MAX_BODY - used);
  reply.position = commands->position;
  aed_put_reply(x, &reply, sizeof reply);
  x->reply_size = used;
  return AED_OK;
}

aed_status aed_on_detect(aed_commands *commands, aed_exchange *x) {
  aed_classification answer = {.top_class = -1, .decision = -1};
  const int16_t *pcm;
  size_t n, consumed;
  int32_t patch;
  aed_status status = take_pcm(commands, x, &pcm, &n);
  if (status == AED_OK) {
    status = push(commands, pcm, n, &consumed, &patch);
  }
  if (status != AED_OK) {
    return status;
  }
  aed_link_detect_reply reply = {.position = commands->position};
  size_t used = sizeof reply;
  if (patch) {
    float *probabilities = (float *)(void *)(x->reply + sizeof reply);
    status = aed_classifier_run(&commands->classifier, probabilities);
    if (status == AED_OK) {
      answer = aed_classifier_decide(&commands->classifier, probabilities);
    }
    reply.patch = commands->patches - 1;
    used += AED_N_CLASSES * sizeof(float);
  }
  reply.top_class = (int16_t)answer.top_class;
  reply.decision = (int16_t)answer.decision;
  aed_put_reply(x, &reply, sizeof reply);
  x->reply_size = used;
  return status;
}

aed_status aed_on_upload(aed_commands *commands, aed_exchange *x) {
  aed_link_upload_request request;
  memcpy(&request, x->request, sizeof request);
  const size_t n = x->request_size - sizeof request;
  if (request.offset > AED_ENGINE_INPUT_SIZE || n > AED_ENGINE_INPUT_SIZE - request.offset) {
    return AED_ERR_ARGUMENT;
  }
  memcpy((uint8_t *)commands->classifier.input + request.offset, x->request + sizeof request, n);
  const aed_link_upload_reply reply = {.input_size = AED_ENGINE_INPUT_SIZE};
  aed_put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

aed_status aed_on_infer(aed_commands *commands, aed_exchange *x) {
  const aed_classifier *c = &commands->classifier;
  const aed_link_infer_reply reply = {.input_crc = aed_crc32(0, c->input, AED_ENGINE_INPUT_SIZE)};
  aed_put_reply(x, &reply, sizeof reply);
  x->reply_size += AED_ENGINE_OUTPUT_SIZE;
  const aed_status status = aed_engine_run(c->engine, c->input, c->output);
  memcpy(x->reply + sizeof reply, c->output, AED_ENGINE_OUTPUT_SIZE);
  return status;
}

typedef struct {
  const aed_engine *engine;
  uint32_t first;
  uint32_t count; /* digests written so far */
  uint32_t room;  /* digests that fit */
  uint32_t *crc;
  aed_status status;
} digest_context;

static void digest_node(void *context, uint32_t node) {
  digest_context *digest = context;
  const void *data;
  size_t size;
  if (node < digest->first || digest->count >= digest->room || digest->status != AED_OK) {
    return;
  }
  digest->status = aed_engine_node_output(digest->engine, node, &data, &size);
  if (digest->status == AED_OK) {
    digest->crc[digest->count++] = aed_crc32(0, data, size);
  }
}

aed_status aed_on_digests(aed_commands *commands, aed_exchange *x) {
  const aed_classifier *c = &commands->classifier;
  aed_link_digests_request request;
  memcpy(&request, x->request, sizeof request);
  const aed_link_digests_reply reply = {.input_crc = aed_crc32(0, c->input, AED_ENGINE_INPUT_SIZE)};
  digest_context digest = {
      .engine = c->engine,
      .first = request.first,
      .room = (AED_MAX_BODY - sizeof reply) / sizeof(uint32_t),
      .crc = (uint32_t *)(void *)(x->reply + sizeof reply),
  };
  aed_put_reply(x, &reply, sizeof reply);
  const aed_status status =
      aed_engine_profile(c->engine, c->input, c->output, digest_node, &digest);
  x->reply_size += digest.count * sizeof(uint32_t);
  return status == AED_OK ? digest.status : status;
}

typedef struct {
  uint32_t last; /* counter when the previous node ended */
  uint32_t *ticks;
} profile_context;

static void profile_node(void *context, uint32_t node) {
  profile_context *profile = context;
  profile->ticks[node] = aed_board_counter() - profile->last;
  profile->last = aed_board_counter(); /* read again: this function isn't counted */
}

/* Push noise until a patch waits and take it; the ticks of the last hop and of its parts. */
static aed_status count_front_end(aed_commands *commands, aed_link_benchmark_reply *reply) {
  aed_stream *stream = &commands->classifier.stream;
  uint32_t noise = 1;
  int16_t pcm[64];
  int32_t frames = 0;
  uint32_t ticks = 0;
  aed_start_clip(commands);
  while (!aed_stream_patch_ready(stream)) {
    for (size_t i = 0; i < sizeof pcm / sizeof pcm[0]; i++) {
      noise = noise * 1664525u + 1013904223u;
      pcm[i] = (int16_t)((int32_t)(noise >> 16) - 32768);
    }
    size_t consumed; /* all, but for those behind the patch's end */
    const uint32_t start = aed_board_counter();
    const aed_status status = aed_stream_push(stream, pcm, sizeof pcm / sizeof pcm[0], &consumed);
    ticks += aed_board_counter() - start;
    if (status != AED_OK) {
      return status;
    }
    if (aed_stream_frames(stream) != frames) {
      frames = aed_stream_frames(stream);
      reply->frame = ticks;
      ticks = 0;
    }
  }
  uint32_t start = aed_board_counter();
  const aed_status status = aed_classifier_take_patch(&commands->classifier);
  reply->quantize = aed_board_counter() - start;

  /* The parts once more, on the samples that the stream holds. */
  float *spectrum = (float *)stream->scratch + aed_features.n_fft;
  start = aed_board_counter();
  aed_frontend_spectrum(&aed_features, stream->pcm, spectrum, stream->scratch);
  reply->fft = aed_board_counter() - start;
  start = aed_board_counter();
  aed_frontend_log_mel(&aed_features, spectrum, stream->frames);
  reply->mel = aed_board_counter() - start;
  aed_start_clip(commands);
  return status;
}

aed_status aed_on_benchmark(aed_commands *commands, aed_exchange *x) {
  const aed_classifier *c = &commands->classifier;
  aed_link_benchmark_reply reply = {.calibration = aed_board_calibrate()};
  aed_status status = count_front_end(commands, &reply);
  if (status != AED_OK) {
    return status;
  }
  aed_board_state state;
  aed_board_clear_cache_counters();
  const uint32_t start = aed_board_counter();
  status = aed_engine_run(c->engine, c->input, c->output);
  reply.inference = aed_board_counter() - start;
  aed_board_get_state(&state);
  reply.cache_hits = state.cache_hits;
  reply.cache_misses = state.cache_misses;
  if (status != AED_OK) {
    return status;
  }
  profile_context profile = {.ticks = (uint32_t *)(void *)(x->reply + sizeof reply)};
  profile.last = aed_board_counter();
  status = aed_engine_profile(c->engine, c->input, c->output, profile_node, &profile);
  aed_put_reply(x, &reply, sizeof reply);
  x->reply_size += AED_ENGINE_N_NODES * sizeof(uint32_t);
  return status;
}
