/* Samples between a microphone's interrupt and their reader, with the time kept: what is lost comes
 * out as zeros in its place, so that positions stay true to the clock. */
#ifndef AED_SAMPLES_H
#define AED_SAMPLES_H

#include <stddef.h>

#include "ring.h"

#define AED_SAMPLES_RING 16384u /* a power of two: a second at 16 kHz */
#define AED_SAMPLES_GAPS 8u     /* a power of two */

/* `length` samples are missing before the ring's element `at`. */
typedef struct {
  uint32_t at, length;
} aed_gap;

typedef struct {
  int16_t pcm[AED_SAMPLES_RING];
  aed_gap gaps[AED_SAMPLES_GAPS];
  aed_ring samples, known_gaps;
  uint32_t owed;  /* the writer's: lost since the last block that found room */
  uint32_t zeros; /* the reader's: of the gap that it stands in */
  uint32_t lost;  /* the writer's: all in all */
} aed_samples;

/* Empty, nothing lost. While neither side is at work. */
void aed_samples_reset(aed_samples *samples);

/* Writer: a block of n samples, which divides AED_SAMPLES_RING. Without room it is lost. */
void aed_samples_write(aed_samples *samples, const int16_t *block, uint32_t n);

/* Writer: n samples never arrived. */
void aed_samples_lose(aed_samples *samples, uint32_t n);

/* Reader: at most n samples, in order; how many. Those behind the last loss come when the writer has
 * brought a block. */
size_t aed_samples_read(aed_samples *samples, int16_t *pcm, size_t n);

#endif
