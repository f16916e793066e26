/* From the scores of patches to events: smoothing, thresholds with hysteresis, a vote, a least
 * length. Binary32 in one fixed order, so that host and device agree to the bit.
 *
 * A patch's scores go through, in this order:
 *   1. exponential smoothing of every class's score;
 *   2. thresholds: a class becomes active at `on` and stays active down to `off`. With one label at
 *      a time, only the class with the highest score becomes active, and ends the one before;
 *   3. the vote: a class is detected when it was active in more than half of the last patches;
 *   4. consecutive patches in which a class is detected are one event, if there are enough of them.
 *
 * Typical use:
 *   aed_events_init(&events, &config, memory, sizeof memory);
 *   for each patch: aed_events_push(&events, scores, found, &n); use n of found;
 *   aed_events_finish(&events, found, &n);
 */
#ifndef AED_EVENTS_H
#define AED_EVENTS_H

#include "aed_status.h"
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cffi: begin */
typedef struct {
  uint32_t n_classes;    /* at least 1 */
  uint32_t multi_label;  /* 1: any number of classes at once; 0: one */
  int32_t garbage_class; /* makes no events; -1 for none */
  float
      unknown_threshold; /* a patch whose best smoothed score is below it has no class; 0 is off */
  const float *on;       /* n_classes smoothed scores that make a class active */
  const float *off;      /* n_classes smoothed scores below which it ends; not above `on` */
  float alpha;           /* share of a new score in the smoothed one: above 0, to 1 (none) */
  uint32_t majority;     /* patches that vote: 1 (no vote) to 255 */
  uint32_t min_patches;  /* events of fewer patches are dropped; at least 1 */
} aed_events_config;

typedef struct {
  float score;    /* smoothed */
  float sum;      /* of the smoothed scores of the run */
  uint32_t first; /* patch with which the run began */
  uint32_t n;     /* patches of the run; 0 when the class isn't detected */
  uint8_t active; /* of the last patch, before the vote */
  uint8_t votes;  /* of the last patches in which it was active */
} aed_events_class;

/* All state belongs to the caller; the fields are private. */
typedef struct {
  const aed_events_config *config;
  aed_events_class *classes; /* n_classes */
  uint8_t *votes;            /* ring of `majority` rows of n_classes: active or not */
  uint32_t slot;             /* row of the next patch */
  uint32_t patches;          /* pushed so far */
} aed_events;

typedef struct {
  uint32_t first;      /* patch with which it began, counted from 0 */
  uint32_t n;          /* patches so far */
  float score;         /* mean of its smoothed scores so far */
  int32_t class_index; /* what was detected */
  int32_t ended; /* 0: it became long enough with this patch; 1: the patch before was its last */
} aed_event;

/* Bytes of memory (aligned to 4) behind an aed_events. */
size_t aed_events_size(const aed_events_config *config);

/* Binds configuration and memory, then resets. AED_ERR_ARGUMENT for a value out of its range,
 * AED_ERR_SIZE when `size` is below aed_events_size. */
aed_status aed_events_init(aed_events *events, const aed_events_config *config, void *memory,
                           size_t size);

/* Forgets everything, running events too. */
void aed_events_reset(aed_events *events);

/* Takes the n_classes finite scores of the next patch; NULL for a silent one: then no class is
 * active and zeros are smoothed in. `found` has room for n_classes events; *n says how many there
 * are, by class. */
void aed_events_push(aed_events *events, const float *scores, aed_event *found, uint32_t *n);

/* Ends the running events, as at the end of a recording, and resets. */
void aed_events_finish(aed_events *events, aed_event *found, uint32_t *n);

/* The class that is detected now, the one with the highest smoothed score of several; -1 for none. */
int32_t aed_events_decision(const aed_events *events);

/* The smoothed score of a class. */
float aed_events_score(const aed_events *events, uint32_t class_index);
/* cffi: end */

#ifdef __cplusplus
}
#endif

#endif
