/* The ring of a microphone's samples: whatever is lost, what comes out is as long as what went in. */
#include <string.h>

#include "../boards/common/samples.h"
#include "aed_check.h"

enum { BLOCK = 256 };

static aed_samples samples;
static uint32_t state = 1;

static uint32_t below(uint32_t n) {
  state = state * 1664525u + 1013904223u;
  return (state >> 8) % n;
}

/* Sample i is i mod 30000 + 1: never a zero, so that zeros are gaps. */
static int16_t sample(uint32_t i) {
  return (int16_t)(i % 30000u + 1u);
}

static void block_at(uint32_t time, int16_t *block) {
  for (uint32_t i = 0; i < BLOCK; i++) {
    block[i] = sample(time + i);
  }
}

/* Time goes on by whole blocks or by losses; each sample read is the one of its time, or a zero. */
static void test_time_is_kept(uint32_t reads) {
  static int16_t pcm[3 * BLOCK];
  int16_t block[BLOCK];
  uint32_t written = 0, read = 0, zeros = 0;
  aed_samples_reset(&samples);
  for (uint32_t step = 0; step < 20000; step++) {
    const uint32_t what = below(10);
    if (what < 6) {
      block_at(written, block);
      aed_samples_write(&samples, block, BLOCK);
      written += BLOCK;
    } else if (what == 6) {
      const uint32_t n = below(1000);
      aed_samples_lose(&samples, n);
      written += n;
    } else if (below(100) < reads) {
      const size_t wanted = below(3 * BLOCK + 1), n = aed_samples_read(&samples, pcm, wanted);
      CHECK(n <= wanted);
      for (size_t i = 0; i < n; i++, read++) {
        CHECK(pcm[i] == 0 || pcm[i] == sample(read));
        zeros += pcm[i] == 0;
      }
      CHECK(read <= written);
    }
  }
  block_at(written, block);
  size_t n;
  for (int32_t i = 0; i < 100; i++) { /* room, then a block that brings what is still owed */
    while ((n = aed_samples_read(&samples, pcm, sizeof pcm / sizeof pcm[0])) > 0) {
      for (size_t k = 0; k < n; k++, read++) {
        CHECK(pcm[k] == 0 || pcm[k] == sample(read));
        zeros += pcm[k] == 0;
      }
    }
    if (read == written) {
      break;
    }
    block_at(written, block);
    aed_samples_write(&samples, block, BLOCK);
    written += BLOCK;
  }
  CHECK(read == written);
  CHECK(zeros == samples.lost);
  CHECK(zeros > 0);
}

static void test_a_full_ring_loses_whole_blocks(void) {
  static int16_t pcm[AED_SAMPLES_RING + 2 * BLOCK];
  int16_t block[BLOCK];
  aed_samples_reset(&samples);
  for (uint32_t i = 0; i < AED_SAMPLES_RING / BLOCK + 2; i++) {
    block_at(i * BLOCK, block);
    aed_samples_write(&samples, block, BLOCK);
  }
  CHECK(samples.lost == 2 * BLOCK);
  CHECK(aed_samples_read(&samples, pcm, sizeof pcm / sizeof pcm[0]) == AED_SAMPLES_RING);
  CHECK(pcm[AED_SAMPLES_RING - 1] == sample(AED_SAMPLES_RING - 1));
  CHECK(aed_samples_read(&samples, pcm, BLOCK) == 0); /* the loss isn't over */
  block_at(AED_SAMPLES_RING + 2 * BLOCK, block);
  aed_samples_write(&samples, block, BLOCK);
  CHECK(aed_samples_read(&samples, pcm, 4 * BLOCK) == 3 * BLOCK);
  CHECK(pcm[0] == 0 && pcm[2 * BLOCK - 1] == 0);
  CHECK(memcmp(pcm + 2 * BLOCK, block, sizeof block) == 0);
}

int main(void) {
  test_a_full_ring_loses_whole_blocks();
  test_time_is_kept(100); /* a reader that is quick enough, and two that aren't */
  test_time_is_kept(30);
  test_time_is_kept(3);
  return aed_check_result("samples");
}
