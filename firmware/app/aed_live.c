#include "aed_live.h"

#include <string.h>

#include "aed_features.h"
#include "board.h"

#define PIECE 256u /* samples of the microphone that are taken at once */

/* Frame and send what stands in the payload: header and `size` bytes of body. */
static void send(aed_live *live, uint8_t type, size_t size) {
  const aed_link_header header = {.type = type, .sequence = (uint16_t)live->sequence++};
  memcpy(live->payload, &header, sizeof header);
  const size_t n = aed_frame_encode(live->payload, sizeof header + size, live->encoded);
  aed_board_write(live->encoded, n);
}

static void send_heard(aed_live *live, uint32_t n) {
  const aed_event *found = live->found;
  const uint32_t hop = AED_LIVE_PATCH_HOP * AED_FEATURES_HOP_LENGTH;
  for (uint32_t i = 0; i < n && (live->output & AED_LIVE_EVENTS) != 0; i++) {
    const aed_link_heard_event event = {
        .class_index = (int16_t)found[i].class_index,
        .ended = (uint16_t)found[i].ended,
        .onset = found[i].first * hop,
        .offset = (found[i].first + found[i].n - 1u) * hop + AED_LIVE_PATCH_SAMPLES,
        .score = found[i].score,
    };
    memcpy(live->payload + sizeof(aed_link_header), &event, sizeof event);
    send(live, AED_LINK_HEARD_EVENT, sizeof event);
  }
}

/* The scores, if any, stand behind the event's place in the payload already. */
static void send_patch(aed_live *live, int32_t decision, uint32_t level, int32_t silent) {
  aed_board_microphone counters;
  aed_board_microphone_get_counters(&counters);
  const aed_link_patch_event event = {
      .patch = live->patches,
      .position = live->position,
      .decision = decision,
      .level = level,
      .busy = live->busy,
      .lost = live->source == AED_LIVE_MICROPHONE ? counters.lost : 0,
  };
  memcpy(live->payload + sizeof(aed_link_header), &event, sizeof event);
  send(live, AED_LINK_PATCH_EVENT, sizeof event + (silent ? 0 : AED_N_CLASSES * sizeof(float)));
}

static void write_text(const char *text) {
  aed_board_write((const uint8_t *)text, strlen(text));
}

/* One line a decision. The zero behind it ends what a host would take for a frame. */
static void write_line(const char *name, float score) {
  const uint32_t thousandths = (uint32_t)(score * 1000.0f + 0.5f);
  char digits[] = "0.000}\r\n";
  digits[0] = (char)('0' + thousandths / 1000u % 10u);
  digits[2] = (char)('0' + thousandths / 100u % 10u);
  digits[3] = (char)('0' + thousandths / 10u % 10u);
  digits[4] = (char)('0' + thousandths % 10u);
  write_text("{\"class\": ");
  write_text(name);
  write_text(", \"predicted score\": ");
  aed_board_write((const uint8_t *)digits, sizeof digits);
}

static void tell_decision(const aed_live *live, int32_t decision) {
  if (decision >= 0) {
    write_line(aed_live_names[decision], aed_events_score(&live->events, (uint32_t)decision));
    return;
  }
  float best = 0.0f;
  for (uint32_t i = 0; i < AED_N_CLASSES; i++) {
    const float score = aed_events_score(&live->events, i);
    best = score > best ? score : best;
  }
  write_line("\"unknown\"", best);
}

aed_status aed_live_start(aed_live *live, uint32_t source, uint32_t output) {
  aed_live_stop(live);
  if (source > AED_LIVE_LINK || output > (AED_LIVE_LINES | AED_LIVE_EVENTS | AED_LIVE_PATCHES)) {
    return AED_ERR_ARGUMENT;
  }
  if (source == AED_LIVE_OFF) {
    return AED_OK;
  }
  aed_status status = aed_detector_start(live->detector, &aed_features, AED_LIVE_PATCH_HOP);
  if (status == AED_OK) {
    status =
        aed_events_init(&live->events, &aed_live_events, live->events_memory, AED_LIVE_EVENTS_SIZE);
  }
  if (status == AED_OK && source == AED_LIVE_MICROPHONE) {
    status = aed_board_microphone_start(aed_features.sample_rate) ? AED_OK : AED_ERR_UNSUPPORTED;
  }
  if (status == AED_OK) {
    aed_gate_init(&live->gate, &aed_live_gate);
    live->source = source;
    live->output = output;
    live->position = live->patches = live->busy = live->sequence = 0;
  }
  return status;
}

void aed_live_stop(aed_live *live) {
  uint32_t n;
  if (live->source == AED_LIVE_OFF) {
    return;
  }
  aed_events_finish(&live->events, live->found, &n);
  send_heard(live, n);
  if (live->source == AED_LIVE_MICROPHONE) {
    aed_board_microphone_stop();
  }
  aed_board_lamp(0);
  live->source = AED_LIVE_OFF;
}

/* Judge the patch that is complete. */
static aed_status judge(aed_live *live, uint32_t start) {
  float *scores =
      (float *)(void *)(live->payload + sizeof(aed_link_header) + sizeof(aed_link_patch_event));
  uint32_t n;
  const int32_t silent = !aed_gate_is_open(&live->gate);
  const uint32_t level = aed_gate_take_level(&live->gate);
  /* A silent patch is taken too, so that the stream goes on. */
  aed_status status = aed_detector_take_patch(live->detector);
  if (status == AED_OK && !silent) {
    status = aed_detector_run(live->detector, scores);
  }
  if (status != AED_OK) {
    return status;
  }
  aed_events_push(&live->events, silent ? NULL : scores, live->found, &n);
  const int32_t decision = aed_events_decision(&live->events);
  live->busy += aed_board_counter() - start;
  aed_board_lamp(decision >= 0);
  if ((live->output & AED_LIVE_PATCHES) != 0) { /* first: the scores lie in its payload */
    send_patch(live, decision, level, silent);
  }
  send_heard(live, n);
  if ((live->output & AED_LIVE_LINES) != 0 && !silent) {
    tell_decision(live, decision);
  }
  live->patches++;
  live->busy = 0;
  return AED_OK;
}

aed_status aed_live_take(aed_live *live, const int16_t *pcm, size_t n) {
  aed_stream *stream = live->detector->stream;
  aed_status status = AED_OK;
  do {
    const uint32_t start = aed_board_counter();
    size_t consumed = 0;
    status = aed_stream_push(stream, pcm, n, &consumed);
    aed_gate_push(&live->gate, pcm, consumed);
    live->position += (uint32_t)consumed;
    pcm += consumed;
    n -= consumed;
    if (status == AED_OK && aed_stream_patch_ready(stream)) {
      status = judge(live, start);
    } else {
      live->busy += aed_board_counter() - start;
    }
  } while (status == AED_OK && n > 0);
  if (status != AED_OK) {
    aed_live_stop(live);
  }
  return status;
}

int32_t aed_live_poll(aed_live *live) {
  int16_t pcm[PIECE];
  if (live->source != AED_LIVE_MICROPHONE) {
    return 0;
  }
  const size_t n = aed_board_microphone_read(pcm, PIECE);
  if (n > 0) {
    (void)aed_live_take(live, pcm,
                        n); /* stopped when it failed; what can fail was bound at start */
  }
  return n > 0;
}
