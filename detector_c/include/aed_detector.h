/* The detector: PCM in, events out. A classifier, with a silence gate in front of its model and the
 * rules of aed_events.h behind it; docs/detector.md describes what it does.
 *
 * A whole application, without a heap:
 *
 *   static uint8_t arena[AED_ENGINE_MEMORY_SIZE] __attribute__((aligned(16)));
 *   static uint64_t patch_memory[...], event_memory[...];   aed_..._size bytes each
 *   static aed_engine engine;
 *   static aed_classifier classifier;
 *   static aed_detector detector;
 *
 *   aed_engine_load(&engine, &aed_image_model, arena, sizeof arena);
 *   aed_classifier_init(&classifier, &aed_classifier_settings, &engine, patch_memory,
 *                       sizeof patch_memory);
 *   aed_detector_init(&detector, &aed_detector_settings, &classifier, event_memory,
 *                     sizeof event_memory);
 *   for (;;) {
 *     size_t n = read_microphone(pcm), done = 0;
 *     while (done < n) {
 *       aed_detector_patch patch;
 *       size_t consumed;
 *       int32_t got = aed_detector_push(&detector, pcm + done, n - done, &consumed, &patch);
 *       done += consumed;
 *       for (uint32_t i = 0; got > 0 && i < patch.n_events; i++) {
 *         report(patch.events[i].class_index, patch.events[i].ended, patch.events[i].score,
 *                aed_detector_onset(&detector, &patch.events[i]));
 *       }
 *     }
 *   }
 */
#ifndef AED_DETECTOR_H
#define AED_DETECTOR_H

#include "aed_classifier.h"
#include "aed_events.h"
#include "aed_gate.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint32_t patch_hop; /* frames from one patch's start to the next: 1 to the patch's length */
  const aed_gate_config *gate;
  const aed_events_config *events; /* of the model's classes */
} aed_detector_config;

/* All memory belongs to the caller. */
typedef struct {
  /* To be read: */
  const aed_detector_config *config;
  uint32_t hop_samples;   /* from one patch's start to the next */
  uint32_t patch_samples; /* that a patch covers */
  uint32_t position;      /* samples taken since the start, modulo 2^32 */
  uint32_t patches;       /* completed since the start */
  /* Private: */
  aed_classifier *classifier;
  aed_gate gate;
  aed_events events;
  float *scores;    /* n_classes */
  aed_event *found; /* n_classes */
} aed_detector;

/* What the completion of a patch brought; its pointers hold until the next call. */
typedef struct {
  uint32_t index;          /* of the patch since the start */
  uint32_t level;          /* mean square (0 to 2^30) of the loudest block since the patch before */
  const float *scores;     /* the model's n_classes probabilities; NULL for a silent patch */
  int32_t decision;        /* class that is detected after smoothing and vote, -1 for none */
  const aed_event *events; /* that became long enough or ended */
  uint32_t n_events;
} aed_detector_patch;

/* Bytes of memory behind a detector, for static memory: of aed_events_size. */
#define AED_DETECTOR_SIZE(events_size, n_classes)                                                  \
  ((n_classes) * (sizeof(float) + sizeof(aed_event)) + (events_size))

/* The same for a configuration; aligned to 4. */
size_t aed_detector_size(const aed_detector_config *config);

/* Binds configuration, classifier and memory, which outlive the detector, and starts it.
 * AED_ERR_ARGUMENT for a null pointer, a value out of its range or a number of classes that is not
 * the model's, AED_ERR_SIZE when `size` is below aed_detector_size. */
aed_status aed_detector_init(aed_detector *detector, const aed_detector_config *config,
                             aed_classifier *classifier, void *memory, size_t size);

/* Begins afresh, the classifier's stream too: running events are forgotten. */
aed_status aed_detector_start(aed_detector *detector);

/* Takes up to n samples. 1 when they completed a patch: it stops there, and *patch says what came
 * of it. 0 when all n were taken and none was completed. Negative: the aed_status of what failed.
 * *consumed says how many samples were taken. */
int32_t aed_detector_push(aed_detector *detector, const int16_t *pcm, size_t n, size_t *consumed,
                          aed_detector_patch *patch);

/* Ends the running events, as at the end of a recording: *n of them at *events, until the next
 * call. */
void aed_detector_finish(aed_detector *detector, const aed_event **events, uint32_t *n);

/* First sample of an event's first patch, and the sample behind its last patch so far: counted from
 * the start, modulo 2^32. */
uint32_t aed_detector_onset(const aed_detector *detector, const aed_event *event);
uint32_t aed_detector_offset(const aed_detector *detector, const aed_event *event);

/* The smoothed score of a class. */
float aed_detector_score(const aed_detector *detector, uint32_t class_index);

#ifdef __cplusplus
}
#endif

#endif
