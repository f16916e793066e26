/* Maxima and sums of four neighbouring channels at a time. */
#ifndef AED_FOUR_CHANNELS_H
#define AED_FOUR_CHANNELS_H

#include "../src/aed_nn_math.h"
#include "aed_simd32.h"

/* The maxima over a window of rows and columns, clamped, of as many channels as make fours; returns
 * their number. x: the window's first value; a row is `row` bytes. */
static inline int32_t aed_maxima_4(const int8_t *x, int32_t rows, int32_t row, int32_t columns,
                                   int32_t channels, int32_t act_min, int32_t act_max, int8_t *y) {
  const uint32_t low = 0x01010101u * (uint8_t)act_min;
  const uint32_t high = 0x01010101u * (uint8_t)act_max;
  int32_t c = 0;
  for (; c + 4 <= channels; c += 4) {
    const int8_t *line = x + c;
    uint32_t best = 0x80808080u;
    for (int32_t left = rows; left > 0; left--, line += row) {
      const int8_t *u = line;
      for (int32_t n = columns; n > 0; n--, u += channels) {
        best = aed_max8(best, aed_load4(u));
      }
    }
    best = aed_min8(aed_max8(best, low), high);
    memcpy(y + c, &best, sizeof best);
  }
  return c;
}

/* sum[0..3]: the sums of n values of each channel; the next one is `step` bytes further. Pairs of
 * int16 hold 256 summands. */
static inline void aed_sum_4(const int8_t *x, int32_t n, int32_t step, int32_t sum[4]) {
  sum[0] = sum[1] = sum[2] = sum[3] = 0;
  for (; n > 0; n -= 256) {
    uint32_t even = 0, odd = 0;
    for (int32_t left = aed_min(n, 256); left > 0; left--, x += step) {
      const uint32_t four = aed_load4(x);
      even = aed_add_even(even, four);
      odd = aed_add_odd(odd, four);
    }
    sum[0] += (int16_t)even;
    sum[1] += (int16_t)odd;
    sum[2] += (int32_t)even >> 16;
    sum[3] += (int32_t)odd >> 16;
  }
}

#endif
