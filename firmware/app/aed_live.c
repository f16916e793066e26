#include "aed_live.h"

#include <string.h>

#include "aed_decimal.h"
#include "aed_features.h"
#include "board.h"

#define PIECE 256u /* samples of the microphone that are taken at once */
#define OUTPUTS                                                                                    \
  ((uint32_t)(AED_LINK_OUTPUT_LINES | AED_LINK_OUTPUT_DETECTIONS | AED_LINK_OUTPUT_PATCHES))

_Static_assert(AED_N_CLASSES <= INT16_MAX, "the link has 16 bits for a class");

/* Frame and send what stands in the payload: header and `size` bytes of body. */
static void send(aed_live *live, uint8_t type, size_t size) {
  const aed_link_header header = {.type = type, .sequence = (uint16_t)live->sequence++};
  memcpy(live->payload, &header, sizeof header);
  const size_t n = aed_packet_encode(live->payload, sizeof header + size, live->encoded);
  aed_board_write(live->encoded, n);
}

static void send_detections(aed_live *live, const aed_event *events, uint32_t n) {
  for (uint32_t i = 0; i < n && (live->output & AED_LINK_OUTPUT_DETECTIONS) != 0; i++) {
    const aed_link_detection_event event = {
        .class_index = (int16_t)events[i].class_index,
        .ended = (uint16_t)events[i].ended,
        .onset = aed_detector_onset(live->detector, &events[i]),
        .offset = aed_detector_offset(live->detector, &events[i]),
        .score = events[i].score,
    };
    memcpy(live->payload + sizeof(aed_link_header), &event, sizeof event);
    send(live, AED_LINK_DETECTION_EVENT, sizeof event);
  }
}

static void send_patch(aed_live *live, const aed_detector_patch *patch) {
  aed_board_microphone counters;
  aed_board_microphone_get_counters(&counters);
  const aed_link_patch_event event = {
      .patch = patch->index,
      .position = live->detector->position,
      .decision = patch->decision,
      .level = patch->level,
      .busy = live->busy,
      .lost = live->source == AED_LINK_SOURCE_MICROPHONE ? counters.lost : 0,
  };
  uint8_t *body = live->payload + sizeof(aed_link_header);
  const size_t tail = patch->scores == NULL ? 0 : AED_N_CLASSES * sizeof(float);
  memcpy(body, &event, sizeof event);
  if (tail > 0) {
    memcpy(body + sizeof event, patch->scores, tail);
  }
  send(live, AED_LINK_PATCH_EVENT, sizeof event + tail);
}

static void write_text(const char *text) {
  aed_board_write((const uint8_t *)text, strlen(text));
}

/* One line a decision. The zero behind it ends what a host would take for a packet. */
static void write_line(const char *name, float score) {
  char digits[AED_DECIMAL_SIZE];
  aed_format_decimal(score, 1u, digits);
  write_text("{\"class\": ");
  write_text(name);
  write_text(", \"predicted score\": ");
  write_text(digits);
  aed_board_write((const uint8_t *)"}\r\n", 4);
}

static void tell_decision(const aed_live *live, int32_t decision) {
  if (decision >= 0) {
    write_line(aed_class_names_json[decision],
               aed_detector_score(live->detector, (uint32_t)decision));
    return;
  }
  float best = 0.0f;
  for (uint32_t i = 0; i < AED_N_CLASSES; i++) {
    const float score = aed_detector_score(live->detector, i);
    best = score > best ? score : best;
  }
  write_line("\"unknown\"", best);
}

aed_status aed_live_start(aed_live *live, uint32_t source, uint32_t output) {
  aed_live_stop(live);
  if (source > AED_LINK_SOURCE_LINK || (output & ~OUTPUTS) != 0) {
    return AED_ERR_ARGUMENT;
  }
  if (source == AED_LINK_SOURCE_NONE) {
    return AED_OK;
  }
  aed_status status = aed_detector_start(live->detector);
  if (status == AED_OK && source == AED_LINK_SOURCE_MICROPHONE) {
    status = aed_board_microphone_start(aed_features.sample_rate) ? AED_OK : AED_ERR_UNSUPPORTED;
  }
  if (status == AED_OK) {
    live->source = source;
    live->output = output;
    live->busy = live->sequence = 0;
  }
  return status;
}

void aed_live_stop(aed_live *live) {
  const aed_event *events;
  uint32_t n;
  if (live->source == AED_LINK_SOURCE_NONE) {
    return;
  }
  aed_detector_finish(live->detector, &events, &n);
  send_detections(live, events, n);
  if (live->source == AED_LINK_SOURCE_MICROPHONE) {
    aed_board_microphone_stop();
  }
  aed_board_led(0);
  live->source = AED_LINK_SOURCE_NONE;
}

static void tell_patch(aed_live *live, const aed_detector_patch *patch) {
  aed_board_led(patch->decision >= 0);
  if ((live->output & AED_LINK_OUTPUT_PATCHES) != 0) {
    send_patch(live, patch);
  }
  send_detections(live, patch->events, patch->n_events);
  if ((live->output & AED_LINK_OUTPUT_LINES) != 0 && patch->scores != NULL) {
    tell_decision(live, patch->decision);
  }
}

aed_status aed_live_take(aed_live *live, const int16_t *pcm, size_t n) {
  int32_t completed;
  do {
    const uint32_t start = aed_board_counter();
    aed_detector_patch patch;
    size_t consumed;
    completed = aed_detector_push(live->detector, pcm, n, &consumed, &patch);
    live->busy += aed_board_counter() - start;
    pcm += consumed;
    n -= consumed;
    if (completed > 0) {
      tell_patch(live, &patch);
      live->busy = 0;
    }
  } while (completed >= 0 && n > 0);
  if (completed < 0) {
    aed_live_stop(live);
    return (aed_status)completed;
  }
  return AED_OK;
}

int32_t aed_live_poll(aed_live *live) {
  int16_t pcm[PIECE];
  if (live->source != AED_LINK_SOURCE_MICROPHONE) {
    return 0;
  }
  const size_t n = aed_board_microphone_read(pcm, PIECE);
  if (n > 0) {
    /* Stopped when it failed; what can fail was bound at start. */
    (void)aed_live_take(live, pcm, n);
  }
  return n > 0;
}
