/* A detector without heap, link and commands: hears the stored recording, writes the events to the
 * serial port, one a line: class, onset and offset in samples, score. */
#include <string.h>

#include "aed_detector_settings.h"
#include "aed_engine_model.h"
#include "aed_features.h"
#include "aed_identity.h"
#include "board.h"

#define BLOCK 256u /* samples, as a microphone's DMA would bring them */

extern const int16_t recording[], recording_end[];

/* All memory, with the sizes that the generated headers say. */
static uint8_t arena[AED_ENGINE_MEMORY_SIZE] __attribute__((aligned(16)));
static uint8_t patch_memory[AED_CLASSIFIER_SIZE(AED_FEATURES_STREAM_SIZE, AED_ENGINE_INPUT_SIZE,
                                                AED_ENGINE_OUTPUT_SIZE)]
    __attribute__((aligned(8)));
static uint8_t event_memory[AED_DETECTOR_MEMORY_SIZE] __attribute__((aligned(8)));
static aed_engine engine;
static aed_classifier classifier;
static aed_detector detector;

static void write_text(const char *text) {
  aed_board_write((const uint8_t *)text, strlen(text));
}

/* value / 10^digits, all digits behind the point. */
static void write_decimal(uint32_t value, uint32_t digits) {
  char text[12];
  char *at = text + sizeof text;
  *--at = 0;
  for (uint32_t i = 0; i <= digits || value > 0; i++) {
    if (i == digits && digits > 0) {
      *--at = '.';
    }
    *--at = (char)('0' + value % 10);
    value /= 10;
  }
  write_text(at);
}

static void write_ended(const aed_event *events, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    if (events[i].ended) {
      write_text(aed_class_names[events[i].class_index]);
      write_text("\t");
      write_decimal(aed_detector_onset(&detector, &events[i]), 0);
      write_text("\t");
      write_decimal(aed_detector_offset(&detector, &events[i]), 0);
      write_text("\t");
      write_decimal((uint32_t)((double)events[i].score * 1e6 + 0.5), 6);
      write_text("\n");
    }
  }
}

static aed_status start(void) {
  aed_status status = aed_engine_load(&engine, &aed_image_model, arena, sizeof arena);
  if (status == AED_OK) {
    status = aed_classifier_init(&classifier, &aed_classifier_settings, &engine, patch_memory,
                                 sizeof patch_memory);
  }
  if (status == AED_OK) {
    status = aed_detector_init(&detector, &aed_detector_settings, &classifier, event_memory,
                               sizeof event_memory);
  }
  return status;
}

/* The board's start-up calls it; what it returns is the emulator's exit code. */
int main(void) {
  aed_board_init();
  if (start() != AED_OK) {
    return 1;
  }
  for (const int16_t *pcm = recording; pcm < recording_end;) {
    const size_t left = (size_t)(recording_end - pcm);
    aed_detector_patch patch;
    size_t consumed;
    const int32_t got =
        aed_detector_push(&detector, pcm, left < BLOCK ? left : BLOCK, &consumed, &patch);
    if (got < 0) {
      return 1;
    }
    if (got > 0) {
      write_ended(patch.events, patch.n_events);
    }
    pcm += consumed;
  }
  const aed_event *events; /* that were still running at the end */
  uint32_t n;
  aed_detector_finish(&detector, &events, &n);
  write_ended(events, n);
  return 0;
}
