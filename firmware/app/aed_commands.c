#include "aed_commands.h"

#include <string.h>

#include "aed_crc32.h"
#include "aed_features.h"
#include "aed_identity.h"
#include "aed_link_messages.h"
#include "aed_model.h"
#include "board.h"

#define HEADER sizeof(aed_link_header)
#define MAX_BODY (AED_LINK_MAX_PAYLOAD - HEADER)

_Static_assert(AED_N_MELS * sizeof(float) + sizeof(aed_link_features_reply) <= MAX_BODY,
               "a frame must fit in one reply");
_Static_assert(AED_N_CLASSES * sizeof(float) + sizeof(aed_link_detect_reply) <= MAX_BODY,
               "the probabilities of all classes must fit in one reply");
_Static_assert(AED_OUTPUT_SIZE + sizeof(aed_link_infer_reply) <= MAX_BODY,
               "the model's output must fit in one reply");
_Static_assert(AED_N_NODES * sizeof(uint32_t) + sizeof(aed_link_benchmark_reply) <= MAX_BODY,
               "the counts of all nodes must fit in one reply");

/* A request's body (checked against the message table) and the room for its reply's body. */
typedef struct {
  const uint8_t *request;
  size_t request_size;
  uint8_t *reply;
  size_t reply_size; /* set by the handler */
} exchange;

typedef aed_status (*handler)(aed_commands *commands, exchange *x);

/* Text into a field of n bytes: cut to fit, zeros behind. Not NUL-terminated when it fills the
 * field. */
static void put_text(char *field, const char *text, size_t n) {
  size_t i = 0;
  for (; i < n && text[i] != 0; i++) {
    field[i] = text[i];
  }
  memset(field + i, 0, n - i);
}

#define PUT_TEXT(field, text) put_text(field, text, sizeof(field))

static void put_reply(exchange *x, const void *fields, size_t size) {
  memcpy(x->reply, fields, size);
  x->reply_size = size;
}

/* `detect` and its like take the stream from the live detector. */
static void start_clip(aed_commands *commands) {
  aed_live_stop(&commands->live);
  /* Can't fail: main has tried it. */
  (void)aed_detector_start(&commands->detector, &aed_features, aed_features.patch_hop);
  commands->position = 0;
  commands->patches = 0;
}

static aed_status on_identify(aed_commands *commands, exchange *x) {
  const aed_nn_io *input = &commands->detector.model->input;
  const aed_nn_io *output = &commands->detector.model->output;
  aed_link_identify_reply reply = {
      .protocol_version = AED_LINK_PROTOCOL_VERSION,
      .max_payload = AED_LINK_MAX_PAYLOAD,
      .n_classes = AED_N_CLASSES,
      .n_nodes = AED_N_NODES,
      .sample_rate = aed_features.sample_rate,
      .hop_length = aed_features.hop_length,
      .n_mels = AED_N_MELS,
      .patch_length = (uint16_t)aed_features.patch_length,
      .garbage_class = (int16_t)aed_garbage_class,
      .multi_label = (uint16_t)aed_multi_label,
      .unknown_threshold = aed_unknown_threshold,
      .input_type = (uint32_t)input->type,
      .input_size = AED_INPUT_SIZE,
      .input_scale = input->scale,
      .input_zero_point = input->zero_point,
      .output_type = (uint32_t)output->type,
      .output_size = AED_OUTPUT_SIZE,
      .output_scale = output->scale,
      .output_zero_point = output->zero_point,
      .arena_size = commands->detector.model->arena_size,
      .counter_numerator = aed_board.counter_numerator,
      .counter_denominator = aed_board.counter_denominator,
      .calibration_count = aed_board.calibration_count,
      .flash_used = aed_board_flash_used(),
      .ram_used = aed_board_ram_used(),
  };
  for (uint32_t i = 0; i < 4; i++) {
    reply.input_dims[i] = i < input->n_dims ? input->dims[i] : 0;
    reply.output_dims[i] = i < output->n_dims ? output->dims[i] : 0;
  }
  PUT_TEXT(reply.counter_unit, aed_board.counter_unit);
  PUT_TEXT(reply.board, aed_board.name);
  PUT_TEXT(reply.pyaed_version, aed_pyaed_version);
  PUT_TEXT(reply.model_name, commands->detector.model->name);
  PUT_TEXT(reply.model_hash, commands->detector.model->hash);
  PUT_TEXT(reply.feature_hash, aed_features_hash);
  put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

static aed_status on_names(aed_commands *commands, exchange *x) {
  static const struct {
    const char *const *names;
    uint32_t n;
  } tables[] = {{aed_class_names, AED_N_CLASSES}, {aed_model_node_names, AED_N_NODES}};
  aed_link_names_request request;
  (void)commands;
  memcpy(&request, x->request, sizeof request);
  if (request.table >= sizeof tables / sizeof tables[0]) {
    return AED_ERR_ARGUMENT;
  }
  aed_link_names_reply reply = {.first = request.first, .count = 0};
  size_t used = sizeof reply;
  for (uint32_t i = request.first; i < tables[request.table].n; i++) {
    const char *name = tables[request.table].names[i];
    const size_t size = strlen(name) + 1;
    if (size > MAX_BODY - used) {
      break;
    }
    memcpy(x->reply + used, name, size);
    used += size;
    reply.count++;
  }
  put_reply(x, &reply, sizeof reply);
  x->reply_size = used;
  return AED_OK;
}

static aed_status on_counters(aed_commands *commands, exchange *x) {
  const aed_frame_counters *counters = &commands->receiver->counters;
  const aed_link_counters_reply reply = {
      .frames = counters->frames,
      .overlong = counters->overlong,
      .garbage = counters->garbage,
      .truncated = counters->truncated,
      .bad_crc = counters->bad_crc,
      .stack_size = aed_board_stack_size(),
      .stack_used = aed_board_stack_used(),
  };
  put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

/* The PCM of a `features` or `detect` request, after its position was checked. */
static aed_status take_pcm(aed_commands *commands, const exchange *x, const int16_t **pcm,
                           size_t *n) {
  uint32_t position;
  _Static_assert(sizeof(aed_link_features_request) == sizeof position &&
                     sizeof(aed_link_detect_request) == sizeof position,
                 "both requests are a position and PCM");
  memcpy(&position, x->request, sizeof position);
  if (position == 0) {
    start_clip(commands);
  } else if (position != commands->position) {
    return AED_ERR_STATE;
  }
  *pcm = (const int16_t *)(const void *)(x->request + sizeof position);
  *n = (x->request_size - sizeof position) / sizeof(int16_t);
  return AED_OK;
}

/* Push n samples; a completed patch goes into the model's input. */
static aed_status push(aed_commands *commands, const int16_t *pcm, size_t n, size_t *consumed,
                       int32_t *patch) {
  aed_stream *stream = commands->detector.stream;
  aed_status status = aed_stream_push(stream, pcm, n, consumed);
  commands->position += (uint32_t)*consumed;
  *patch = aed_stream_patch_ready(stream);
  if (status == AED_OK && *patch) {
    status = aed_detector_take_patch(&commands->detector);
    commands->patches++;
  }
  return status;
}

static aed_status on_features(aed_commands *commands, exchange *x) {
  const aed_stream *stream = commands->detector.stream;
  const size_t frame_size = AED_N_MELS * sizeof(float);
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
  } while (n > 0 && frame_size <= MAX_BODY - used);
  reply.position = commands->position;
  put_reply(x, &reply, sizeof reply);
  x->reply_size = used;
  return AED_OK;
}

static aed_status on_detect(aed_commands *commands, exchange *x) {
  aed_detection detection = {.top_class = -1, .decision = -1};
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
    status = aed_detector_run(&commands->detector, probabilities);
    if (status == AED_OK) {
      detection = aed_detector_decide(&commands->detector, probabilities);
    }
    reply.patch = commands->patches - 1;
    used += AED_N_CLASSES * sizeof(float);
  }
  reply.top_class = (int16_t)detection.top_class;
  reply.decision = (int16_t)detection.decision;
  put_reply(x, &reply, sizeof reply);
  x->reply_size = used;
  return status;
}

static aed_status on_upload(aed_commands *commands, exchange *x) {
  aed_link_upload_request request;
  memcpy(&request, x->request, sizeof request);
  const size_t n = x->request_size - sizeof request;
  if (request.offset > AED_INPUT_SIZE || n > AED_INPUT_SIZE - request.offset) {
    return AED_ERR_ARGUMENT;
  }
  memcpy((uint8_t *)commands->detector.input + request.offset, x->request + sizeof request, n);
  const aed_link_upload_reply reply = {.input_size = AED_INPUT_SIZE};
  put_reply(x, &reply, sizeof reply);
  return AED_OK;
}

static aed_status on_infer(aed_commands *commands, exchange *x) {
  const aed_detector *d = &commands->detector;
  const aed_link_infer_reply reply = {.input_crc = aed_crc32(0, d->input, AED_INPUT_SIZE)};
  put_reply(x, &reply, sizeof reply);
  x->reply_size += AED_OUTPUT_SIZE;
  const aed_status status = aed_nn_run(d->model, d->input, d->output, d->arena, NULL, NULL);
  memcpy(x->reply + sizeof reply, d->output, AED_OUTPUT_SIZE);
  return status;
}

typedef struct {
  const uint8_t *arena;
  uint32_t first;
  uint32_t count; /* digests written so far */
  uint32_t room;  /* digests that fit */
  uint32_t *crc;
} digest_context;

static void digest_node(void *context, uint32_t node) {
  digest_context *digest = context;
  if (node >= digest->first && digest->count < digest->room) {
    const aed_node_output *output = &aed_node_outputs[node];
    digest->crc[digest->count++] = aed_crc32(0, digest->arena + output->offset, output->size);
  }
}

static aed_status on_digests(aed_commands *commands, exchange *x) {
  const aed_detector *d = &commands->detector;
  aed_link_digests_request request;
  memcpy(&request, x->request, sizeof request);
  const aed_link_digests_reply reply = {.input_crc = aed_crc32(0, d->input, AED_INPUT_SIZE)};
  digest_context digest = {
      .arena = d->arena,
      .first = request.first,
      .room = (MAX_BODY - sizeof reply) / sizeof(uint32_t),
      .crc = (uint32_t *)(void *)(x->reply + sizeof reply),
  };
  put_reply(x, &reply, sizeof reply);
  const aed_status status =
      aed_nn_run(d->model, d->input, d->output, d->arena, digest_node, &digest);
  x->reply_size += digest.count * sizeof(uint32_t);
  return status;
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
  aed_stream *stream = commands->detector.stream;
  uint32_t noise = 1;
  int16_t pcm[64];
  int32_t frames = 0;
  uint32_t ticks = 0;
  start_clip(commands);
  while (!aed_stream_patch_ready(stream)) {
    for (size_t i = 0; i < sizeof pcm / sizeof pcm[0]; i++) {
      noise = noise * 1664525u + 1013904223u;
      pcm[i] = (int16_t)((int32_t)(noise >> 16) - 32768);
    }
    size_t done = 0, consumed = 0;
    do {
      const uint32_t start = aed_board_counter();
      const aed_status status =
          aed_stream_push(stream, pcm + done, sizeof pcm / sizeof pcm[0] - done, &consumed);
      ticks += aed_board_counter() - start;
      if (status != AED_OK) {
        return status;
      }
      done += consumed;
      if (aed_stream_frames(stream) != frames) {
        frames = aed_stream_frames(stream);
        reply->frame = ticks;
        ticks = 0;
      }
    } while (done < sizeof pcm / sizeof pcm[0] && !aed_stream_patch_ready(stream));
  }
  uint32_t start = aed_board_counter();
  const aed_status status = aed_detector_take_patch(&commands->detector);
  reply->quantize = aed_board_counter() - start;

  /* The parts once more, on the samples that the stream holds. */
  float *spectrum = (float *)stream->scratch + aed_features.n_fft;
  start = aed_board_counter();
  aed_frontend_spectrum(&aed_features, stream->pcm, spectrum, stream->scratch);
  reply->fft = aed_board_counter() - start;
  start = aed_board_counter();
  aed_frontend_log_mel(&aed_features, spectrum, stream->frames);
  reply->mel = aed_board_counter() - start;
  start_clip(commands);
  return status;
}

static aed_status on_benchmark(aed_commands *commands, exchange *x) {
  const aed_detector *d = &commands->detector;
  aed_link_benchmark_reply reply = {.calibration = aed_board_calibrate()};
  aed_status status = count_front_end(commands, &reply);
  if (status != AED_OK) {
    return status;
  }
  aed_board_state state;
  aed_board_clear_cache_counters();
  const uint32_t start = aed_board_counter();
  status = aed_nn_run(d->model, d->input, d->output, d->arena, NULL, NULL);
  reply.inference = aed_board_counter() - start;
  aed_board_get_state(&state);
  reply.cache_hits = state.cache_hits;
  reply.cache_misses = state.cache_misses;
  if (status != AED_OK) {
    return status;
  }
  profile_context profile = {.ticks = (uint32_t *)(void *)(x->reply + sizeof reply)};
  profile.last = aed_board_counter();
  status = aed_nn_run(d->model, d->input, d->output, d->arena, profile_node, &profile);
  put_reply(x, &reply, sizeof reply);
  x->reply_size += AED_N_NODES * sizeof(uint32_t);
  return status;
}

void aed_commands_reset(aed_commands *commands) {
  start_clip(commands);
  memset(commands->detector.input, 0, AED_INPUT_SIZE);
  memset(&commands->receiver->counters, 0, sizeof commands->receiver->counters);
}

static aed_status on_reset(aed_commands *commands, exchange *x) {
  aed_commands_reset(commands);
  x->reply_size = 0;
  return AED_OK;
}

static aed_status on_state(aed_commands *commands, exchange *x) {
  aed_board_state state;
  (void)commands;
  aed_board_get_state(&state);
  _Static_assert(sizeof state == sizeof(aed_link_state_reply), "the same fields in the same order");
  put_reply(x, &state, sizeof state);
  return AED_OK;
}

static void stop_recording(aed_commands *commands) {
  aed_board_microphone_stop();
  commands->microphone_rate = 0;
  commands->recorded = 0;
}

/* Any rate but 0 starts a microphone that isn't running; 0 stops it. */
static aed_status on_record(aed_commands *commands, exchange *x) {
  aed_link_record_request request;
  memcpy(&request, x->request, sizeof request);
  aed_live_stop(&commands->live);
  if (request.rate != commands->microphone_rate) {
    stop_recording(commands);
    if (request.rate != 0 && !aed_board_microphone_start(request.rate)) {
      return AED_ERR_UNSUPPORTED;
    }
    commands->microphone_rate = request.rate;
  }
  aed_board_microphone counters;
  aed_board_microphone_get_counters(&counters);
  const aed_link_record_reply reply = {
      .position = commands->recorded,
      .lost = counters.lost,
      .saturations = counters.saturations,
      .errors = counters.errors,
  };
  put_reply(x, &reply, sizeof reply);
  int16_t *pcm = (int16_t *)(void *)(x->reply + sizeof reply);
  const size_t room = request.rate == 0 ? 0 : (MAX_BODY - sizeof reply) / sizeof *pcm;
  const size_t n = aed_board_microphone_read(pcm, room);
  x->reply_size += n * sizeof *pcm;
  commands->recorded += (uint32_t)n;
  return AED_OK;
}

static aed_status on_listen(aed_commands *commands, exchange *x) {
  aed_link_listen_request request;
  memcpy(&request, x->request, sizeof request);
  if (commands->microphone_rate != 0) {
    stop_recording(commands);
  }
  start_clip(commands); /* a clip that was under way can't go on */
  const aed_status status = aed_live_start(&commands->live, request.source, request.output);
  const aed_link_listen_reply reply = {
      .source = commands->live.source,
      .patch_hop = AED_LIVE_PATCH_HOP * AED_FEATURES_HOP_LENGTH,
      .patch_samples = AED_LIVE_PATCH_SAMPLES,
      .settings_crc = AED_LIVE_CRC,
  };
  put_reply(x, &reply, sizeof reply);
  return status;
}

static aed_status on_stream(aed_commands *commands, exchange *x) {
  aed_live *live = &commands->live;
  aed_link_stream_request request;
  memcpy(&request, x->request, sizeof request);
  if (live->source != AED_LIVE_LINK || request.position != live->position) {
    return AED_ERR_STATE;
  }
  const int16_t *pcm = (const int16_t *)(const void *)(x->request + sizeof request);
  const aed_status status =
      aed_live_take(live, pcm, (x->request_size - sizeof request) / sizeof *pcm);
  const aed_link_stream_reply reply = {.position = live->position, .patches = live->patches};
  put_reply(x, &reply, sizeof reply);
  return status;
}

static const struct {
  uint32_t type;
  size_t size;      /* bytes of the request's fields */
  size_t tail_size; /* bytes of one element of its tail, 0 without a tail */
  handler handle;
} messages[] = {
#define MESSAGE(name, code, size, tail_size) {code, size, tail_size, on_##name},
    AED_LINK_MESSAGES(MESSAGE)
#undef MESSAGE
};

static aed_status dispatch(aed_commands *commands, uint32_t type, exchange *x) {
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    if (messages[i].type != type) {
      continue;
    }
    if (x->request_size < messages[i].size) {
      return AED_ERR_SIZE;
    }
    const size_t tail = x->request_size - messages[i].size;
    if (tail != 0 && (messages[i].tail_size == 0 || tail % messages[i].tail_size != 0)) {
      return AED_ERR_SIZE;
    }
    return messages[i].handle(commands, x);
  }
  return AED_ERR_UNSUPPORTED;
}

size_t aed_commands_answer(aed_commands *commands, const uint8_t *request, size_t n,
                           uint8_t *reply) {
  aed_link_header header;
  memcpy(&header, request, HEADER);
  exchange x = {
      .request = request + HEADER,
      .request_size = n - HEADER,
      .reply = reply + HEADER,
      .reply_size = 0,
  };
  const aed_status status = dispatch(commands, header.type, &x);
  header.type |= AED_LINK_REPLY;
  header.status = (int8_t)status;
  header.dropped = aed_frame_dropped(&commands->receiver->counters);
  memcpy(reply, &header, HEADER);
  return HEADER + (status == AED_OK ? x.reply_size : 0); /* an error has no body */
}
