#include "samples.h"

#include <string.h>

void aed_samples_reset(aed_samples *samples) {
  aed_ring_reset(&samples->samples);
  aed_ring_reset(&samples->known_gaps);
  samples->owed = samples->zeros = samples->lost = 0;
}

void aed_samples_lose(aed_samples *samples, uint32_t n) {
  samples->owed += n;
  samples->lost += n;
}

void aed_samples_write(aed_samples *samples, const int16_t *block, uint32_t n) {
  const uint32_t head = aed_ring_head(&samples->samples);
  const int32_t full = AED_SAMPLES_RING - aed_ring_filled(&samples->samples) < n;
  if (full || (samples->owed > 0 && aed_ring_filled(&samples->known_gaps) == AED_SAMPLES_GAPS)) {
    aed_samples_lose(samples, n);
    return;
  }
  if (samples->owed > 0) { /* known before the samples behind it are */
    samples->gaps[aed_ring_head(&samples->known_gaps) % AED_SAMPLES_GAPS] =
        (aed_gap){head, samples->owed};
    aed_ring_written(&samples->known_gaps, 1);
    samples->owed = 0;
  }
  /* Blocks never straddle the ring's end. */
  memcpy(samples->pcm + head % AED_SAMPLES_RING, block, n * sizeof *block);
  aed_ring_written(&samples->samples, n);
}

size_t aed_samples_read(aed_samples *samples, int16_t *pcm, size_t n) {
  size_t got = 0;
  while (got < n) {
    uint32_t filled = aed_ring_filled(&samples->samples);
    const uint32_t tail = aed_ring_tail(&samples->samples);
    if (samples->zeros == 0 && aed_ring_filled(&samples->known_gaps) > 0) {
      const aed_gap *gap = &samples->gaps[aed_ring_tail(&samples->known_gaps) % AED_SAMPLES_GAPS];
      if (gap->at == tail) {
        samples->zeros = gap->length;
        aed_ring_taken(&samples->known_gaps, 1);
        continue;
      }
      filled = gap->at - tail < filled ? gap->at - tail : filled;
    }
    const size_t room = n - got;
    if (samples->zeros > 0) {
      const uint32_t count = samples->zeros < room ? samples->zeros : (uint32_t)room;
      memset(pcm + got, 0, count * sizeof *pcm);
      samples->zeros -= count;
      got += count;
      continue;
    }
    const uint32_t count = filled < room ? filled : (uint32_t)room;
    if (count == 0) {
      break;
    }
    for (uint32_t i = 0; i < count; i++) {
      pcm[got + i] = samples->pcm[(tail + i) % AED_SAMPLES_RING];
    }
    aed_ring_taken(&samples->samples, count);
    got += count;
  }
  return got;
}
